package claudeforce

import "runtime/debug"

// version is set by the build of a release.
var version string

// Version is the version of this build: a release's number, or the module's
// pseudo-version, or "devel".
func Version() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "devel"
}
