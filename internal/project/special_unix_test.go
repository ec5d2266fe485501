//go:build unix

package project_test

import (
	"net"
	"syscall"
	"testing"
)

func pipe(t *testing.T, file string) { must(t, syscall.Mkfifo(file, 0o600)) }

func socket(t *testing.T, file string) {
	l, err := net.Listen("unix", file)
	if err != nil {
		t.Skip(err) // the path may be too long for a socket
	}
	t.Cleanup(func() { l.Close() })
}
