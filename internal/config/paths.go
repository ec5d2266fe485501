package config

import (
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
)

// Paths say where this program keeps its files. They are names only: nothing
// is made or read.
type Paths struct {
	// ConfigFile is the user's settings; ModelsFile the catalogue that
	// `models update` keeps.
	ConfigFile, ModelsFile string
	// Cache is the folder of cache.db and its secret.
	Cache string
	// Shared is the file of what belongs to the user and not to a project:
	// rate limits.
	Shared string
	// State is the folder of state.db. Project says that it lies inside the
	// project and wants a .gitignore.
	State     string
	InProject bool
}

// Locate returns the paths for a project folder, or for none where it is
// empty. home is the user's home folder; with an empty home and no variable
// that says otherwise the user's paths are empty.
func Locate(projectDir, home string, getenv func(string) string) Paths {
	if own := getenv("CLAUDE_FORCE_HOME"); own != "" {
		return Paths{
			ConfigFile: filepath.Join(own, "config.yaml"),
			ModelsFile: filepath.Join(own, "models.json"),
			Cache:      filepath.Join(own, "cache"),
			Shared:     filepath.Join(own, "state", "shared.db"),
			State:      filepath.Join(own, "state", stateName(projectDir)),
		}
	}
	var p Paths
	if dir := base(getenv("XDG_CONFIG_HOME"), home, ".config"); dir != "" {
		p.ConfigFile = filepath.Join(dir, "claude-force", "config.yaml")
		p.ModelsFile = filepath.Join(dir, "claude-force", "models.json")
	}
	if dir := base(getenv("XDG_CACHE_HOME"), home, ".cache"); dir != "" {
		p.Cache = filepath.Join(dir, "claude-force")
	}
	if dir := base(getenv("XDG_STATE_HOME"), home, ".local", "state"); dir != "" {
		p.State = filepath.Join(dir, "claude-force")
		p.Shared = filepath.Join(p.State, "shared.db")
	}
	if projectDir != "" {
		p.State, p.InProject = filepath.Join(projectDir, ".claude", "force"), true
	}
	return p
}

// base follows the XDG base directory specification: a relative path in the
// variable is ignored.
func base(variable, home string, below ...string) string {
	if filepath.IsAbs(variable) {
		return variable
	}
	if home == "" {
		return ""
	}
	return filepath.Join(append([]string{home}, below...)...)
}

// stateName is a folder name that two projects do not share.
func stateName(projectDir string) string {
	if projectDir == "" {
		return "no-project"
	}
	sum := sha256.Sum256([]byte(filepath.Clean(projectDir)))
	return hex.EncodeToString(sum[:8])
}
