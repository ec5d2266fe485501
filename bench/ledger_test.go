package bench

import "testing"

// TestLedger sees to it that what is measured works.
func TestLedger(t *testing.T) {
	l, err := NewLedger(t.Context(), 2000)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}()
	for _, r := range l.Reports() {
		if err := r.Ours(t.Context()); err != nil {
			t.Errorf("%s: %v", r.Name, err)
		}
		if err := r.Rows(t.Context()); err != nil {
			t.Errorf("%s by rows: %v", r.Name, err)
		}
	}
	recording, err := Recording(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []*Contest{recording, l.Opening(t.Context())} {
		if _, _, err := c.Run(1, 3); err != nil {
			t.Error(err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}
