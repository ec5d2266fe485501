package quality

import (
	"encoding/json"
	"errors"
	"flag"
	"io/fs"
	"os"
	"sync"
	"testing"
)

var update = flag.Bool("update", false, "write the figures down as those on record")

const (
	recordFile = "testdata/figures.json"
	// slack is how far a figure may fall.
	slack = 0.02
)

// recording guards the file between tests.
var recording sync.Mutex

// onRecord prints figures, shares of 1, and compares them with those that are on
// record under a name; with -update it records them.
func onRecord(t *testing.T, name string, figures map[string]float64) {
	t.Helper()
	recording.Lock()
	defer recording.Unlock()
	all := map[string]map[string]float64{}
	text, err := os.ReadFile(recordFile)
	if err == nil {
		err = json.Unmarshal(text, &all)
	}
	if err != nil && !(*update && errors.Is(err, fs.ErrNotExist)) {
		t.Fatal(err)
	}
	if *update {
		all[name] = figures
		text, err := json.MarshalIndent(all, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(recordFile, append(text, '\n'), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	for figure, want := range all[name] {
		if got := figures[figure]; got < want-slack {
			t.Errorf("%s: %s fell from %.3f to %.3f", name, figure, want, got)
		}
	}
	for figure := range figures {
		if _, ok := all[name][figure]; !ok {
			t.Errorf("%s: %s is not on record: run the test with -update", name, figure)
		}
	}
}
