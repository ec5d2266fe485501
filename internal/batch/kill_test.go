package batch_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/claude-force/claude-force/internal/batch"
	"github.com/claude-force/claude-force/internal/claude"
	"github.com/claude-force/claude-force/internal/llm"
	"github.com/claude-force/claude-force/internal/sim"
)

// childEnv makes the test binary a session of its own process; see TestMain.
const childEnv = "BATCH_CHILD"

const childTasks = 500

func TestMain(m *testing.M) {
	if spec := os.Getenv(childEnv); spec != "" {
		dir, url, _ := strings.Cut(spec, "@")
		if err := child(dir, url); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// child runs a session that writes each tag to the output as a line.
func child(dir, url string) error {
	// What a world needs of a test it only uses where something is wrong.
	w := &world{dir: dir, clock: &clock{now: noon}, kept: map[[32]byte]string{}, t: &panicking{}}
	var err error
	if w.client, err = claude.New(claude.Options{BaseURL: url, Credential: "sk-ant-test"}); err != nil {
		return err
	}
	out, err := os.OpenFile(filepath.Join(dir, "output"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	o := w.options()
	o.Session, o.MaxRequests = "child", childTasks
	o.Price = func(*llm.Request, *llm.Response, time.Time) llm.Cost { return llm.Cost{Nano: 7} }
	l := batch.New(o)
	return errors.Join(w.addAll(l, texts(childTasks), llm.ReuseOn), l.Run(context.Background(), func(o batch.Outcome) error {
		_, err := out.Write(append(o.Tag, '\n'))
		return err
	}))
}

// panicking is for a world outside of a test.
type panicking struct{ testing.TB }

func (*panicking) Helper()           {}
func (*panicking) Cleanup(func())    {}
func (*panicking) Fatal(args ...any) { panic(fmt.Sprint(args...)) }

// gate is a server that stops in the middle of an answer.
type gate struct {
	next    http.Handler
	stop    func(*gate, http.ResponseWriter, *http.Request) (stopped bool)
	reached chan struct{} // closed where it stops
	open    chan struct{} // closed when it need not stop any more
	once    sync.Once
	polls   int
}

func (g *gate) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	select {
	case <-g.open:
	default:
		if g.stop(g, rw, r) {
			g.once.Do(func() { close(g.reached) })
			<-g.open
			panic(http.ErrAbortHandler)
		}
	}
	g.next.ServeHTTP(rw, r)
}

// The points at which a process is killed, as its server sees them.
var stages = map[string]func(g *gate, rw http.ResponseWriter, r *http.Request) bool{
	"before the submission is accepted": func(_ *gate, _ http.ResponseWriter, r *http.Request) bool { return r.Method == http.MethodPost },
	"after the submission is accepted": func(g *gate, _ http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPost {
			return false
		}
		g.next.ServeHTTP(httptest.NewRecorder(), r)
		return true
	},
	"while polling": func(g *gate, _ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodGet {
			g.polls++
		}
		return g.polls == 3
	},
	"in the middle of the download": func(g *gate, rw http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/results") {
			return false
		}
		all := httptest.NewRecorder()
		g.next.ServeHTTP(all, r)
		body := all.Body.Bytes()
		_, _ = rw.Write(body[:len(body)/2])
		_ = http.NewResponseController(rw).Flush()
		return true
	},
}

// A process is killed for good, and another one goes on.
func TestKilledProcess(t *testing.T) {
	for name, stop := range stages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			delay := time.Duration(0)
			if strings.Contains(name, "polling") {
				delay = time.Hour
			}
			w := newWorld(t, sim.Options{BatchDelay: delay})
			g := &gate{next: w.server, stop: stop, reached: make(chan struct{}), open: make(chan struct{})}
			server := httptest.NewServer(g)
			defer server.Close()

			cmd := exec.CommandContext(t.Context(), os.Args[0])
			cmd.Env = append(os.Environ(), childEnv+"="+w.dir+"@"+server.URL)
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }()
			select {
			case <-g.reached:
			case err := <-ended:
				t.Fatalf("the child ended: %v\n%s", err, stderr.String())
			}
			if strings.Contains(name, "download") {
				w.await(func() bool { return len(w.childOutput()) >= 200 })
			}
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			if err := <-ended; err == nil {
				t.Fatal("the child came to its end")
			}
			close(g.open)
			w.goOn(server.URL)
		})
	}
}

// await waits for what another process does.
func (w *world) await(done func() bool) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // only so that a fault ends
	defer cancel()
	for !done() {
		if ctx.Err() != nil {
			w.t.Fatal("it never came")
		}
	}
}

func (w *world) childOutput() []string {
	raw, _ := os.ReadFile(filepath.Join(w.dir, "output"))
	whole, _, _ := bytes.Cut(append(raw, '\n'), []byte("\n\n"))
	var out []string
	for line := range strings.Lines(string(whole)) {
		out = append(out, strings.TrimSuffix(line, "\n"))
	}
	return out
}

// goOn runs what the child did not deliver, as --resume would.
func (w *world) goOn(url string) {
	w.t.Helper()
	before := map[string]bool{}
	for _, tag := range w.childOutput() {
		before[tag] = true
	}
	var left []string
	for _, text := range texts(childTasks) {
		if !before[text] {
			left = append(left, text)
		}
	}
	w.client = newClient(w.t, nil, url)
	w.must(w.lane(func(o *batch.Options) {
		o.MaxRequests = childTasks
		o.Price = func(*llm.Request, *llm.Response, time.Time) llm.Cost { return llm.Cost{Nano: 7} }
	}), left, llm.ReuseOn)
	w.created(1)
	w.delivered(left)
	w.clean()
	want := fmt.Sprintf("%d %d %d", childTasks, childTasks, 7*childTasks)
	if got := w.query("SELECT count(*) || ' ' || count(DISTINCT run_id) || ' ' || sum(cost_nano) FROM exchanges"); got != want {
		w.t.Errorf("exchanges: %s, want %s", got, want)
	}
	if got := w.query("SELECT count(*) || ' ' || sum(cost_nano) FROM runs"); got != fmt.Sprintf("%d %d", childTasks, 7*childTasks) {
		w.t.Errorf("runs: %s", got)
	}
}
