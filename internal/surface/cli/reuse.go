package cli

import (
	"github.com/spf13/cobra"

	claudeforce "github.com/claude-force/claude-force"
)

// reuseFlags say how a run uses the response cache.
type reuseFlags struct {
	noCache, cacheOnly, refresh, skipVerify bool
	verify                                  string
}

func (f *reuseFlags) add(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.BoolVar(&f.noCache, "no-cache", false, "neither take nor keep an answer, and share no call")
	fl.BoolVar(&f.cacheOnly, "cache-only", false, "take a kept answer and make no call")
	fl.BoolVar(&f.refresh, "refresh", false, "make a call of its own and keep its answer")
	fl.StringVar(&f.verify, "cache-verify", "", "verify kept answers: always, sampling or never (default: the setting cache.verify)")
	fl.BoolVar(&f.skipVerify, "skip-cache-verify", false, "as --cache-verify never")
	cmd.MarkFlagsMutuallyExclusive("no-cache", "cache-only", "refresh")
	cmd.MarkFlagsMutuallyExclusive("cache-verify", "skip-cache-verify")
}

// set puts into settings what the flags say of them.
func (f *reuseFlags) set(settings map[string]string) {
	if f.verify != "" {
		settings["cache.verify"] = f.verify
	}
	if f.skipVerify {
		settings["cache.verify"] = "never"
	}
}

func (f *reuseFlags) reuse() claudeforce.Reuse {
	switch {
	case f.noCache:
		return claudeforce.ReuseNever
	case f.cacheOnly:
		return claudeforce.ReuseOnly
	case f.refresh:
		return claudeforce.ReuseRefresh
	}
	return ""
}
