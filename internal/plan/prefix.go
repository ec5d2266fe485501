package plan

import "time"

// timeToLive is how long an entry of the prompt cache lasts after its last
// use.
const timeToLive = 5 * time.Minute

// prefix is the entry of a [Prefix] in the API's prompt cache.
type prefix struct {
	tokens  int64
	expires time.Duration
}

// lane is the way of the calls of one kind.
type lane struct {
	kind   *Kind
	group  *group
	prefix *prefix // nil: nothing is kept

	// Until warm the prefix can be read, as far as the client knows. Where it
	// cannot, one call leads and followers wait until its answer begins.
	warm      time.Duration
	led       bool
	followers []*run
}

// begin sends a run into the queue, or lets it wait for the one that leads.
func (f *forecast) begin(r *run) {
	l := r.lane
	if f.WarmUp && l.prefix != nil && f.now >= l.warm {
		if l.led {
			l.followers = append(l.followers, r)
			return
		}
		l.led, r.leads = true, true
	}
	f.enqueue(r)
}

// warmed notes that an answer has begun: who waited for it may go.
func (f *forecast) warmed(r *run) {
	l := r.lane
	if l.prefix == nil {
		return
	}
	l.warm = f.now + timeToLive
	if r.writes {
		l.prefix.expires = r.sent + timeToLive
	}
	if !r.leads {
		return
	}
	l.led, r.leads = false, false
	followers := l.followers
	l.followers = nil
	for _, next := range followers {
		f.enqueue(next)
	}
}

// stepDown lets another one lead where the leader fails.
func (f *forecast) stepDown(r *run) {
	l := r.lane
	if !r.leads {
		return
	}
	l.led, r.leads = false, false
	// The first of them leads, unless a call that led nobody has warmed the
	// prefix meanwhile: then all go.
	for len(l.followers) > 0 && !l.led {
		next := l.followers[0]
		l.followers = l.followers[1:]
		f.begin(next)
	}
}
