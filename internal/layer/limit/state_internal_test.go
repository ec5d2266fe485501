package limit

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/claude-force/claude-force/internal/llm"
)

// noon is when the tests of states begin.
func noon() time.Time { return time.Date(2027, 1, 15, 12, 0, 0, 0, time.UTC) }

// known is a state of an account with so many requests a minute, all there.
func known(now time.Time, rpm float64) *state {
	s := &state{}
	s.trade(now, &ask{holder: "nobody", seen: sight(now, rpm, rpm)})
	return s
}

// sight is what headers say of requests to a call that was sent now and of
// which nothing was thought.
func sight(now time.Time, limit, left float64) *sighting {
	return &sighting{sent: now, rates: llm.Rates{Requests: llm.Rate{Limit: int64(limit), Remaining: int64(left), Full: -1}}}
}

// wants is an ask for so many requests.
func wants(holder string, n float64) *ask {
	return &ask{holder: holder, need: amounts{1}, want: amounts{n}}
}

// kept is the state as a store gives it back.
func (s *state) kept(t testing.TB) *state {
	t.Helper()
	data, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var out state
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	return &out
}

func TestTradeGivesNoMoreThanThereIs(t *testing.T) {
	now := noon()
	s := known(now, 600)
	now = now.Add(10 * time.Second) // credit gathers
	got := 0.0
	for i := range 50 {
		g := s.trade(now, wants(fmt.Sprint("p", i), 100))
		got += g.lease[requests]
		if g.lease[requests] == 0 && g.wait <= 0 {
			t.Fatalf("process %d got nothing and no time to ask again", i)
		}
	}
	if got > 600 || got < 300 {
		t.Errorf("50 processes got %v of 600", got)
	}
}

// A lease that its holder does not renew returns after its time, to the others
// and for good: a late report does not bring it back twice.
func TestLeaseLapses(t *testing.T) {
	now := noon()
	s := known(now, 60)
	now = now.Add(10 * time.Second)
	held := s.trade(now, wants("dead", 1000)).lease[requests]
	if held < 50 {
		t.Fatalf("leased %v of 60", held)
	}
	now = now.Add(time.Second)
	if g := s.trade(now, wants("other", 40)); g.lease[requests] > 10 {
		t.Errorf("the other got %v while the lease lasts", g.lease[requests])
	}
	now = now.Add(leaseTime)
	g := s.kept(t).trade(now, wants("other", 40))
	if g.lease[requests] < 40 {
		t.Errorf("the other got %v after the lease has lapsed", g.lease[requests])
	}
	before := s.trade(now, wants("other", 1)).view[requests].level
	back := wants("dead", 1)
	back.back = amounts{held}
	after := s.trade(now, back).view[requests].level
	if after > before+1 {
		t.Errorf("a lapsed lease came back twice: %v, then %v", before, after)
	}
}

func TestHandedBackLeaseIsThere(t *testing.T) {
	now := noon()
	s := known(now, 60)
	now = now.Add(10 * time.Second)
	held := s.trade(now, wants("a", 1000)).lease[requests]
	s.trade(now, &ask{holder: "a", back: amounts{held}})
	if g := s.trade(now, wants("b", 40)); g.lease[requests] < 27 { // one other is at work
		t.Errorf("b got %v after a gave %v back", g.lease[requests], held)
	}
}

// Who waits longest is served first, also where its need is the larger one.
func TestWhoWaitsLongestIsServed(t *testing.T) {
	now := noon()
	s := known(now, 60)
	now = now.Add(10 * time.Second)
	s.trade(now, wants("x", 1000))
	s.trade(now, &ask{holder: "x"}) // has used all of it
	large := &ask{holder: "large", need: amounts{30}, want: amounts{30}}
	for range 40 { // one a second is gained
		now = now.Add(2*horizon + 50*time.Millisecond) // the longest between asks, and a trade
		if g := s.trade(now.Add(-20*time.Millisecond), wants("small", 20)); g.lease[requests] > 0 {
			s.trade(now.Add(-10*time.Millisecond), &ask{holder: "small"}) // used up
		}
		if s.trade(now, large).lease[requests] >= 30 {
			return
		}
	}
	t.Error("the larger need was never served")
}

// Who has ceased to wait has no claim.
func TestClaimEndsWithTheWait(t *testing.T) {
	now := noon()
	s := known(now, 60)
	s.trade(now, &ask{holder: "a", need: amounts{59}, want: amounts{59}}) // must gather credit
	if s.Holders["a"].Waits.IsZero() {
		t.Fatal("a does not wait: this test shows nothing")
	}
	s.trade(now, &ask{holder: "a"})
	if h := s.Holders["a"]; !h.Waits.IsZero() || h.Claim != (amounts{}) {
		t.Errorf("a claims %v since %v", h.Claim, h.Waits)
	}
}

// What a process was told to wait keeps the others back for a bounded time,
// and a shorter word of another does not end it.
func TestSharedPause(t *testing.T) {
	now := noon()
	s := known(now, 600)
	s.trade(now, &ask{holder: "a", pausedFor: time.Hour})
	s.trade(now.Add(time.Second), &ask{holder: "b", pausedFor: time.Second})
	paused := func(at time.Duration) bool {
		c := *s.kept(t)
		g := c.trade(now.Add(at), wants("c", 1))
		return pauseOf(now.Add(at), g) > 0
	}
	if !paused(5 * time.Second) {
		t.Error("the pause was cut short by another's")
	}
	if paused(time.Minute) {
		t.Error("others are kept back after a minute")
	}
}

// pauseOf is how long a grant keeps its holder back.
func pauseOf(_ time.Time, g grant) time.Duration { return g.paused }

// A clock that jumps leads neither to waits without end nor to levels that
// cannot be.
func TestClockJumps(t *testing.T) {
	const day = 24 * time.Hour
	for name, jumps := range map[string][]time.Duration{
		"back": {-day}, "forward": {day}, "back and forth": {-day, day}, "forth and back": {day, -day},
		"a year back": {-365 * day}, "small steps back": {-time.Second, -time.Second, -3 * time.Second, -time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			now := noon()
			s := known(now, 600)
			now = now.Add(10 * time.Second)
			s.trade(now, wants("dead", 100))
			s.trade(now, &ask{holder: "live", pausedFor: time.Hour})
			for _, jump := range jumps {
				now = now.Add(jump)
				s = s.kept(t)
				served, sum := 0, 0.0
				for range 120 { // a minute
					now = now.Add(500 * time.Millisecond)
					a := wants("live", 5)
					g := s.trade(now, a)
					if pauseOf(now, g) > time.Minute || g.wait < 0 || g.wait > time.Minute {
						t.Fatalf("paused for %v, waits %v", pauseOf(now, g), g.wait)
					}
					b := &s.Buckets[requests]
					if b.Left > b.most()+1e-6 || b.Left < -600 || math.IsNaN(b.Left) {
						t.Fatalf("holds %v of %v", b.Left, b.most())
					}
					if g.lease[requests] > 0 {
						served++
						sum += g.lease[requests]
					}
					// The server says what it has: this process is alone.
					sent := now
					th := outlook{known: true, level: g.view[requests].level, fixed: g.view[requests].fixed}
					th.level -= g.lease[requests]
					s.trade(now, &ask{holder: "live", seen: &sighting{
						sent: sent, thought: [kinds]outlook{th, {}, {}},
						rates: llm.Rates{Requests: llm.Rate{Limit: 600, Remaining: int64(max(th.level, 0)), Full: -1}},
					}})
				}
				if served < 80 {
					t.Errorf("after a jump of %v %d of 120 asks of a minute were served, with %v requests", jump, served, sum)
				}
			}
		})
	}
}

// After the clock was set back it is judged anew whether others take from the
// buckets, and not only once the old time has come again.
func TestOthersAreForgottenAfterAClockJump(t *testing.T) {
	now := noon()
	s := known(now, 600)
	s.Buckets[requests].Others = 0.8
	now = now.Add(-24 * time.Hour)
	for range 300 {
		now = now.Add(time.Second)
		g := s.trade(now, wants("a", 10))
		taken, v := g.lease[requests], g.view[requests]
		// The server's bucket was full: there is nobody else.
		s.trade(now, &ask{holder: "a", seen: &sighting{
			sent: now, thought: [kinds]outlook{{known: true, level: v.level - taken, fixed: v.fixed}, {}, {}},
			rates: llm.Rates{Requests: llm.Rate{Limit: 600, Remaining: int64(600 - taken), Full: time.Second}},
		}})
	}
	if got := s.Buckets[requests].Others; got > 0.1 {
		t.Errorf("five minutes later others are still thought to take %.0f %%", got*100)
	}
}

// An old picture that comes late, as that of a long answer does, does not bring
// back the limits of another tier.
func TestLateHeadersOfAnotherTier(t *testing.T) {
	now := noon()
	s := known(now, 4000)
	s.trade(now.Add(10*time.Second), &ask{holder: "a", seen: sight(now.Add(9*time.Second), 1000, 10)})
	s.trade(now.Add(60*time.Second), &ask{holder: "a", seen: sight(now.Add(time.Second), 4000, 3900)})
	if b := s.Buckets[requests]; b.Limit != 1000 || b.most() > 1000 {
		t.Errorf("limit %v, holds up to %v; the newer headers said 1000", b.Limit, b.most())
	}
}

// A state that forbids all is not believed for ever: only a call brings news.
func TestStandstillEnds(t *testing.T) {
	for name, spoil := range map[string]func(b *bucket){
		"deep in debt":      func(b *bucket) { b.Left = -1e12 },
		"no credit":         func(b *bucket) { b.Credit = -1e12; b.Others = 0.5; b.Base = 0 },
		"others take all":   func(b *bucket) { b.Others = 1; b.Left = 0; b.Base = 0.05 },
		"one request a day": func(b *bucket) { b.Limit, b.Roof, b.Floor, b.Left = 1e-3, 1e-3, 0, 0 },
	} {
		t.Run(name, func(t *testing.T) {
			now := noon()
			s := known(now, 600)
			spoil(&s.Buckets[requests])
			for end := now.Add(5 * time.Minute); now.Before(end); now = now.Add(2 * time.Second) {
				if g := s.trade(now, wants("a", 1)); g.lease[requests] > 0 && g.wait == 0 {
					return
				}
			}
			t.Errorf("nothing was given in five minutes: %+v", s.Buckets[requests])
		})
	}
}

// FuzzTrade trades with processes that say anything at any time.
func FuzzTrade(f *testing.F) {
	for seed := range uint64(50) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 1))
		w := &world{t: t, r: r, now: noon(), wild: true}
		var s state
		views := [kinds]view{}
		held := map[string]amounts{}
		for range 200 {
			w.now = w.now.Add(jump(r))
			id := fmt.Sprint("p", r.IntN(4))
			a := &ask{holder: id, took: time.Duration(r.Int64N(int64(time.Hour))) - time.Minute, flight: r.Float64() * 1e6}
			for i := range a.back {
				a.back[i] = (r.Float64()*2 - 1) * 1000
				a.back[i] = min(a.back[i], held[id][i])
				a.need[i] = r.Float64() * 5000 * float64(r.IntN(2))
				a.want[i] = a.need[i] * (1 + r.Float64()*10)
			}
			a.corrected = (r.Float64()*2 - 1) * 1e5
			if rates := w.rates(); rates != nil && r.IntN(2) == 0 {
				a.seen = &sighting{rates: *rates, sent: w.now.Add(-time.Duration(r.Int64N(int64(time.Minute)))), refused: r.IntN(4) == 0}
				for i := range a.seen.thought {
					a.seen.thought[i] = outlook{known: views[i].cap > 0, level: views[i].level, fixed: views[i].fixed, given: views[i].given}
				}
			}
			if r.IntN(10) == 0 {
				a.pausedFor = time.Duration(r.Int64N(int64(48 * time.Hour)))
			}
			g := s.trade(w.now, a)
			w.checkState(&s)
			w.checkGrant(&g)
			if p := pauseOf(w.now, g); p < 0 || p > time.Minute {
				t.Fatalf("paused for %v", p)
			}
			for i, v := range g.view {
				for _, x := range []float64{v.cap, v.level, v.rate, v.most, v.fixed, v.given} {
					if math.IsNaN(x) || math.IsInf(x, 0) {
						t.Fatalf("view %d: %+v", i, v)
					}
				}
				if v.cap < 0 || v.rate < 0 {
					t.Fatalf("view %d: %+v", i, v)
				}
			}
			views, held[id] = g.view, g.lease
			s = *s.kept(t)
		}
	})
}

// jump is a step of a clock, mostly a small one forward.
func jump(r *rand.Rand) time.Duration {
	switch r.IntN(20) {
	case 0:
		return time.Duration(r.Int64N(int64(96*time.Hour))) - 48*time.Hour
	case 1:
		return -time.Duration(r.Int64N(int64(time.Minute)))
	}
	return time.Duration(r.Int64N(int64(5 * time.Second)))
}

// FuzzKept trades with whatever a store may hold.
func FuzzKept(f *testing.F) {
	for _, seed := range []string{
		``, `null`, `{}`, `[]`, `{"version":1}`, `{"version":2,"buckets":[{"limit":1}]}`,
		`{"version":1,"at":"2027-01-15T12:00:00Z","buckets":[{"limit":600,"roof":600,"left":1e308,"given":1e308,"fixed":-1e308}]}`,
		`{"version":1,"at":"9999-01-15T12:00:00Z","holders":{"p":{"lease":[1e308,-1e308,5],"flight":1e308,"heard":"2027-01-15T12:00:00Z","waits":"0001-01-01T00:00:00Z"}}}`,
		`{"version":1,"paused_at":"2027-01-15T12:00:00Z","paused_for":9223372036854775807,"took":-9223372036854775808}`,
		`{"version":1,"buckets":[{"limit":5e-324,"left":-1e308,"base":-1e308,"credit":-1e308,"others":-1e308,"missing":1e308}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var s state
		if json.Unmarshal(data, &s) != nil {
			return
		}
		now := noon()
		w := &world{t: t, now: now}
		for range 200 {
			a := &ask{holder: "p", need: amounts{1, 100, 100}, want: amounts{10, 1000, 1000}}
			g := s.trade(now, a)
			w.checkState(&s)
			w.checkGrant(&g)
			s = *s.kept(t)
			pause := pauseOf(now, g)
			if pause > time.Minute {
				t.Fatalf("paused for %v", pause)
			}
			if g.wait == 0 && pause == 0 {
				return
			}
			now = now.Add(max(g.wait, pause, time.Second))
		}
		t.Fatalf("nothing was given until %v", now)
	})
}
