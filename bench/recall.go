package bench

import (
	"context"
	"errors"
)

// RecallRuns is how many runs are made at once with past work in their prompts
// and without.
const RecallRuns = 100

// Recalling compares runs that bring past work into their prompts with the same
// without, RecallRuns at once, on the server at url. Some hundred sessions are
// there before.
func Recalling(ctx context.Context, url string, rounds int) (with, without Samples, err error) {
	var peers []*Peer
	defer func() {
		for _, p := range peers {
			err = errors.Join(err, p.Close())
		}
	}()
	for _, memory := range []bool{true, false} {
		p, err := OpenEngine(EngineOptions{URL: url, Question: NewQuestion(SystemBytes, recallBytes), Ledger: true, Memory: memory})
		if err != nil {
			return nil, nil, err
		}
		peers = append(peers, p)
	}
	if err := WarmUp(ctx, peers, 5*RecallRuns, RecallRuns); err != nil {
		return nil, nil, err
	}
	s, err := Compare(ctx, peers, rounds, RecallRuns, RecallRuns)
	if err != nil {
		return nil, nil, err
	}
	return s[0], s[1], nil
}

// recallBytes are some 30 words.
const recallBytes = 180
