package bench

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// The paths that the server tells apart.
const (
	streamPath = "/v1/messages"
	plainPath  = "/v1/plain"
)

// serve prints the address it listens at and answers until in ends. It reads
// no more of a request than it must and writes an answer at once: the two
// sides that are compared shall not share a server's costs.
func serve(out io.Writer, in io.Reader, delay time.Duration) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s := &server{delay: delay, stream: streamAnswer(), plain: plainAnswer()}
	ended := make(chan error, 1)
	go func() { ended <- s.accept(l) }()
	if _, err := fmt.Fprintln(out, l.Addr()); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, in)
	l.Close()
	if acceptErr := <-ended; !errors.Is(acceptErr, net.ErrClosed) {
		return acceptErr
	}
	return err
}

type server struct {
	delay         time.Duration
	stream, plain []byte
}

func (s *server) accept(l net.Listener) error {
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		go s.answer(conn) // ends with its connection
	}
}

// answer serves one connection until its client closes it.
func (s *server) answer(conn net.Conn) {
	defer conn.Close()
	r := bufio.NewReaderSize(conn, 8<<10)
	for {
		body, err := s.readRequest(r)
		if err != nil {
			return
		}
		if s.delay > 0 {
			<-time.After(s.delay)
		}
		if _, err := conn.Write(body); err != nil {
			return
		}
	}
}

// readRequest reads one request and returns what answers it.
func (s *server) readRequest(r *bufio.Reader) ([]byte, error) {
	body, length := s.stream, 0
	for first := true; ; first = false {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return nil, err
		}
		line = bytes.TrimRight(line, "\r\n")
		switch {
		case first && bytes.Contains(line, []byte(" "+plainPath+" ")):
			body = s.plain
		case first:
		case len(line) == 0:
			_, err := r.Discard(length)
			return body, err
		default:
			name, value, _ := bytes.Cut(line, []byte(": "))
			if bytes.EqualFold(name, []byte("Content-Length")) {
				if length, err = strconv.Atoi(string(value)); err != nil {
					return nil, err
				}
			}
		}
	}
}
