package bench

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/claude-force/claude-force/internal/embed"
	"github.com/claude-force/claude-force/internal/selector"
)

// Recommending measures how agents are found among very many, with the encoder
// that is built in.
type Recommending struct {
	// First is what it takes to read all agents for the first time.
	First time.Duration

	selector *selector.Selector
	encoder  *embed.Model
	asked    int
}

// NewRecommending makes so many agents of different trades, and their vectors.
func NewRecommending(ctx context.Context, agents int) (*Recommending, error) {
	r := &Recommending{encoder: embed.New(embed.Options{CacheEntries: -1})}
	began := time.Now()
	r.selector = selector.New(manyAgents(agents), selector.Options{Embedder: r.encoder})
	if _, err := r.selector.Recommend(ctx, "warm up", 3); err != nil {
		return nil, err
	}
	r.First = time.Since(began)
	return r, nil
}

// Recommend finds agents for another task of about 30 words.
func (r *Recommending) Recommend(ctx context.Context) error {
	_, err := r.selector.Recommend(ctx, r.task(), 3)
	return err
}

// Encode makes the vector of such a task alone.
func (r *Recommending) Encode(ctx context.Context) error {
	_, err := r.encoder.Embed(ctx, []string{r.task()})
	return err
}

// task is another one each time, so that nothing is remembered of it.
func (r *Recommending) task() string {
	r.asked++
	return fmt.Sprintf("%s and number %d of them", taskWords, r.asked)
}

const taskWords = "the nightly export of invoices to the warehouse has been slow since we moved the cluster last week, find out " +
	"which of the queries is the reason, say what to change"

// Trades and things that agents of many collections speak of.
const (
	trades = "database network security payment search mobile embedded compiler testing billing analytics design localisation storage"
	things = "queries schemas indexes certificates invoices pipelines clusters dashboards parsers migrations caches queues reports forms"
	verbs  = "reviews designs migrates secures documents optimises monitors generates refactors validates deploys debugs"
)

// manyAgents are agents no two of which say the same.
func manyAgents(n int) []selector.Agent {
	trade, thing, verb := strings.Fields(trades), strings.Fields(things), strings.Fields(verbs)
	list := make([]selector.Agent, n)
	for i := range list {
		a, b, c := trade[i%len(trade)], thing[i/len(trade)%len(thing)], verb[i/len(trade)/len(thing)%len(verb)]
		list[i] = selector.Agent{
			Name:        fmt.Sprintf("%s-%s-%d", a, b, i),
			Domains:     []string{a, b},
			Description: fmt.Sprintf("This agent %s %s of %s systems, variant %d. Use it when %s of the %s team need attention.", c, b, a, i, b, a),
			Body:        fmt.Sprintf("# %s %s\n\n## Responsibilities\n\n- %s the %s of %s systems, step %d\n- keeps %s sound\n", a, b, c, b, a, i, b) + prose(1500),
		}
	}
	return list
}
