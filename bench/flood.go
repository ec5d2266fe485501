package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The sizes of a question in bytes: an agent of usual size with a short task,
// and a long prompt.
const (
	SystemBytes = 4 << 10
	TaskBytes   = 200
	PromptBytes = 20 << 10
)

// Delay is how long the server of a flood waits before each answer.
const Delay = 50 * time.Millisecond

// FloodResult is what so many calls at once took.
type FloodResult struct {
	Sample
	// PeakBytes is the most memory that the process had resident; it is the
	// flood's own where the process did nothing else.
	PeakBytes int64
}

// Flood makes n calls at once with a new peer that has made one call before:
// all connections but one are dialled, while the ledger is open.
func Flood(ctx context.Context, name, url string, n int) (FloodResult, error) {
	return Stream(ctx, name, url, n, n)
}

// Stream makes n calls as [Flood] does, so many of them in flight.
func Stream(ctx context.Context, name, url string, n, inFlight int) (result FloodResult, err error) {
	if err := enoughFiles(inFlight); err != nil {
		return result, err
	}
	p, err := Open(name, url, NewQuestion(SystemBytes, TaskBytes))
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	if _, err := Measure(ctx, p, 1, 1); err != nil {
		return result, err
	}
	if result.Sample, err = Measure(ctx, p, n, inFlight); err != nil {
		return result, err
	}
	result.PeakBytes, err = peakMemory()
	return result, err
}

// FloodAlone is [Flood] in a process of its own.
func FloodAlone(ctx context.Context, name, url string, n int) (FloodResult, error) {
	var result FloodResult
	err := ask(ctx, &result, "flood", name, url, strconv.Itoa(n), strconv.Itoa(n))
	return result, err
}

// StreamAlone is [Stream] in a process of its own.
func StreamAlone(ctx context.Context, name, url string, n, inFlight int) (FloodResult, error) {
	var result FloodResult
	err := ask(ctx, &result, "flood", name, url, strconv.Itoa(n), strconv.Itoa(inFlight))
	return result, err
}

// floodChild is the other side of StreamAlone.
func floodChild(ctx context.Context, out io.Writer, name, url, n, inFlight string) error {
	calls, err := strconv.Atoi(n)
	if err != nil {
		return err
	}
	width, err := strconv.Atoi(inFlight)
	if err != nil {
		return err
	}
	result, err := Stream(ctx, name, url, calls, width)
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(result)
}

// ErrFewFiles says that the system lets a process open too few files for so
// many connections.
var ErrFewFiles = errors.New("the limit of open files is too low")

// enoughFiles checks the limit of open files, which Go has already raised as
// far as it may. A call needs a connection; a run of the engine opens files
// of the project besides.
func enoughFiles(calls int) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("read the limit of open files: %w", err)
	}
	if need := calls + calls/4 + 100; limit.Cur < uint64(need) {
		return fmt.Errorf("%w: %d calls at once need %d, and it is %d (ulimit -Hn)", ErrFewFiles, calls, need, limit.Cur)
	}
	return nil
}

// peakMemory is the most memory that this process had resident, in bytes. The
// kernel's own record is asked first: the one of getrusage begins with what
// the parent process had.
func peakMemory() (int64, error) {
	f, err := os.Open("/proc/self/status")
	if errors.Is(err, os.ErrNotExist) {
		var u syscall.Rusage
		err := syscall.Getrusage(syscall.RUSAGE_SELF, &u)
		return u.Maxrss, err // bytes on systems without /proc
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
			n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			return n << 10, err
		}
	}
	return 0, errors.Join(errors.New("/proc/self/status has no VmHWM"), lines.Err())
}

// Megabytes is a number of bytes in megabytes (of 1024² bytes).
func Megabytes(bytes int64) float64 { return float64(bytes) / (1 << 20) }
