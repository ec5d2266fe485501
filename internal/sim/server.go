package sim

import (
	"bytes"
	"context"
	"crypto/subtle"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/claude-force/claude-force/internal/model"
)

// Bounds of what the server remembers and reads.
const (
	maxBody      = 32 << 20  // bytes of a request
	maxBatchBody = 256 << 20 // bytes of a batch
	maxPrefixes  = 1 << 16   // entries of the prompt cache
	maxCounts    = 1 << 12   // texts whose count is remembered
	maxAnswers   = 1 << 10   // generated answers that are remembered
)

// Server is the simulated API. It is an http.Handler, and safe for concurrent
// use. It starts no goroutines of its own and needs no closing.
type Server struct {
	catalogue    *model.Catalogue
	seed         uint64
	latency      time.Duration
	tokenDelay   time.Duration
	batchDelay   time.Duration
	limitsMu     sync.Mutex
	limits       Limits // guarded by limitsMu
	faults       []*armed
	keys         []string
	anonymous    bool
	outputTokens int
	marked       bool
	now          func() time.Time
	sleep        func(context.Context, time.Duration) error
	onRequest    func(Record)

	counter  *counter
	answers  *lru[uint64, string]
	prefixes *lru[uint64, cacheEntry]
	meters   sync.Map // of *Meter, by the name of the limit group
	batches  *batches
	bodies   sync.Pool // of *bytes.Buffer
	ids      atomic.Uint64
	stats    counters
}

// New returns a server, or an error that says which option makes no sense.
func New(o Options) (*Server, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	s := &Server{
		catalogue: o.Catalogue, seed: o.Seed,
		latency: o.Latency, tokenDelay: o.TokenDelay, batchDelay: o.BatchDelay,
		limits: o.Limits, faults: o.arm(), keys: o.Keys, anonymous: o.AllowAnonymous,
		outputTokens: o.OutputTokens, marked: o.Marked,
		now: o.Now, sleep: o.Sleep, onRequest: o.OnRequest,
		counter:  newCounter(maxCounts),
		answers:  newLRU[uint64, string](maxAnswers),
		prefixes: newLRU[uint64, cacheEntry](maxPrefixes),
		batches:  newBatches(),
		bodies:   sync.Pool{New: func() any { return new(bytes.Buffer) }},
	}
	return s, nil
}

// exchange is one request on its way through the server.
type exchange struct {
	w         http.ResponseWriter
	r         *http.Request
	requestID string
	terms     terms
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{w: w, r: r, requestID: s.newID("req_011C")}
	w.Header().Set("Request-Id", x.requestID)
	s.stats.requests.Add(1)
	if err := s.serve(x); err != nil {
		s.stats.errors.Add(1)
		writeError(w, err, x.requestID)
	}
}

// serve answers one request or says what is wrong with it.
func (s *Server) serve(x *exchange) *apiError {
	route, err := s.route(x.r)
	if err != nil {
		return err
	}
	if err := s.authenticate(x.r); err != nil {
		return err
	}
	switch version := x.r.Header.Get("Anthropic-Version"); version {
	case "2023-06-01":
	case "2026-10-21":
		x.terms.modern = true
	case "":
		return invalid("anthropic-version: header is required")
	default:
		return invalid("anthropic-version: \"%.80s\" is not a valid version", version)
	}
	x.terms.betas = strings.Join(x.r.Header.Values("Anthropic-Beta"), ",")
	return route(x)
}

// route returns what answers a request.
func (s *Server) route(r *http.Request) (func(*exchange) *apiError, *apiError) {
	path := strings.TrimPrefix(r.URL.Path, "/v1/")
	var byMethod map[string]func(*exchange) *apiError
	switch {
	case path == r.URL.Path:
	case path == "messages":
		byMethod = map[string]func(*exchange) *apiError{http.MethodPost: s.messages}
	case path == "messages/count_tokens":
		byMethod = map[string]func(*exchange) *apiError{http.MethodPost: s.countTokens}
	case path == "models":
		byMethod = map[string]func(*exchange) *apiError{http.MethodGet: s.listModels}
	case strings.HasPrefix(path, "models/"):
		byMethod = map[string]func(*exchange) *apiError{http.MethodGet: s.getModel}
	case path == "messages/batches" || strings.HasPrefix(path, "messages/batches/"):
		byMethod = s.batchRoutes(strings.TrimPrefix(strings.TrimPrefix(path, "messages/batches"), "/"))
	}
	if byMethod == nil {
		return nil, notFound("Not found")
	}
	route, ok := byMethod[r.Method]
	if !ok {
		return nil, &apiError{status: http.StatusMethodNotAllowed, kind: "invalid_request_error", message: "Method Not Allowed"}
	}
	return route, nil
}

// authenticate judges the credential of a request.
func (s *Server) authenticate(r *http.Request) *apiError {
	key := r.Header.Get("X-Api-Key")
	token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch {
	case key == "" && token == "":
		if s.anonymous {
			return nil
		}
		return unauthenticated("x-api-key header is required")
	case s.accepts(key) || s.accepts(token):
		return nil
	case bearer && key == "":
		return unauthenticated("Invalid bearer token")
	}
	return unauthenticated("invalid x-api-key")
}

// accepts reports whether a credential is good.
func (s *Server) accepts(key string) bool {
	if key == "" || len(s.keys) == 0 {
		return key != ""
	}
	for _, accepted := range s.keys {
		if subtle.ConstantTimeCompare([]byte(accepted), []byte(key)) == 1 {
			return true
		}
	}
	return false
}

// body reads the body of a request, up to limit bytes.
func (s *Server) body(x *exchange, limit int64) (string, *apiError) {
	buf := s.bodies.Get().(*bytes.Buffer)
	defer func() {
		if buf.Cap() <= 1<<20 {
			s.bodies.Put(buf)
		}
	}()
	buf.Reset()
	if x.r.ContentLength > limit {
		// Many clients only read the answer once they have sent everything.
		_, _ = io.CopyN(io.Discard, x.r.Body, 2*limit)
		return "", tooLarge()
	}
	_, err := buf.ReadFrom(http.MaxBytesReader(x.w, x.r.Body, limit))
	var exceeded *http.MaxBytesError
	switch {
	case errors.As(err, &exceeded):
		return "", tooLarge()
	case err != nil && !errors.Is(err, io.EOF):
		return "", invalid("The request body could not be read")
	}
	if s.onRequest != nil {
		s.onRequest(Record{
			Method: x.r.Method, Path: x.r.URL.Path, Header: x.r.Header.Clone(),
			Body: bytes.Clone(buf.Bytes()), Message: x.r.URL.Path == "/v1/messages",
		})
	}
	return buf.String(), nil
}

func tooLarge() *apiError {
	kind, message := kindOf(http.StatusRequestEntityTooLarge)
	return &apiError{status: http.StatusRequestEntityTooLarge, kind: kind, message: message}
}

// find returns the model of an id or alias, unless it is retired.
func (s *Server) find(id string) (*model.Model, *apiError) {
	m, ok := s.catalogue.Lookup(id)
	if !ok || m.LifecycleAt(s.now()) == model.Retired {
		return nil, notFound("model: %.200s", id)
	}
	return m, nil
}

// newID returns an id that no other answer of this server has.
func (s *Server) newID(prefix string) string {
	const digits = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
	const length = 20
	n := s.ids.Add(1)
	b := make([]byte, 0, 40)
	b = append(b, prefix...)
	state := mixBits(s.seed) ^ mixBits(n)
	for range length {
		state = mixBits(state + 0x9E3779B97F4A7C15)
		b = append(b, digits[state%uint64(len(digits))])
	}
	return string(b)
}

// mixBits spreads the bits of x (the finalizer of SplitMix64).
func mixBits(x uint64) uint64 {
	x = (x ^ x>>30) * 0xBF58476D1CE4E5B9
	x = (x ^ x>>27) * 0x94D049BB133111EB
	return x ^ x>>31
}
