#!/usr/bin/env bash
# The steps behind the Makefile: tools/tasks.sh test|lint|fuzz|bench.
#
# Only Go is expected to be there. The developer tools are pinned in
# tools/go.mod and built by Go on first use; the C compiler that the race
# detector needs is installed where that is possible.
set -euo pipefail
cd "$(dirname "$0")/.."

# Packages, as ./path, whose tests are too slow under the race detector and run
# without it. None is today: over the pure Go SQLite driver it costs 9 seconds
# more of compiling and makes 10,000 inserts take 2.8 s in place of 0.24 s.
without_race=""

# Where the command must build without cgo.
platforms="linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64"

say() { printf '\n==> %s (%s s in)\n' "$*" "$SECONDS"; }

fail() {
	printf '%s\n' "$@" >&2
	exit 1
}

# in_modules runs a command in the folder of each module that holds Go code.
in_modules() {
	local module
	for module in . bench oracle; do
		if [[ -f $module/go.mod ]]; then
			(cd "$module" && "$@")
		fi
	done
}

# pinned runs a tool in the version that tools/go.mod names.
pinned() { go tool -modfile="$tools/go.mod" "$@"; }
tools=$PWD/tools

need_go() {
	local want have
	want=$(awk '$1 == "go" { print $2 }' go.mod)
	if ! command -v go >/dev/null; then
		fail "Go $want or newer is needed, and there is no go command in PATH: see https://go.dev/doc/install"
	fi
	have=$(go env GOVERSION) || fail "Go $want or newer is needed: see https://go.dev/doc/install"
	if [[ $(printf '%s\n' "$want" "${have##*go}" | sort -V | head -n 1) != "$want" ]]; then
		fail "Go $want or newer is needed, and this is $have: see https://go.dev/doc/install"
	fi
}

lint() {
	local found
	say "gofumpt"
	found=$(pinned gofumpt -l .)
	[[ -z $found ]] || fail "not formatted, run make format:" "$found"

	say "sleeping tests"
	found=$(sleeping_tests)
	[[ -z $found ]] || fail "time.Sleep in a test without testing/synctest:" "$found"

	say "go mod tidy"
	in_modules go mod tidy -diff
	go -C tools mod tidy -diff

	say "go vet"
	in_modules go vet ./...

	say "golangci-lint"
	in_modules pinned golangci-lint run
}

# sleeping_tests prints the tests that wait for real time to pass. In a bubble
# of testing/synctest a sleep costs nothing, so the files that use it may.
sleeping_tests() {
	local file
	# A quote before the call makes it part of a text.
	{ grep -rlE --include='*_test.go' --exclude-dir=bench '^[^"`]*\btime\.Sleep\(' . || true; } |
		while read -r file; do
			grep -q '"testing/synctest"' "$file" || echo "$file"
		done
}

cross_build() {
	local platform
	for platform in $platforms; do
		say "build for $platform"
		CGO_ENABLED=0 GOOS=${platform%/*} GOARCH=${platform#*/} go build -buildvcs=false -o /dev/null ./cmd/claude-force
	done
}

can_race() { CGO_ENABLED=1 go test -race -run='^$' errors >/dev/null 2>&1; }

# prepare_race sets race to the flag that turns the race detector on, or to
# nothing where it cannot run.
prepare_race() {
	race=-race
	if can_race; then
		return
	fi
	if [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
		say "installing a C compiler for the race detector"
		apt-get update -qq || true
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends gcc libc6-dev || true
		if can_race; then
			return
		fi
	fi
	race=
	say "NO RACE DETECTOR: it needs a C compiler and the headers of the C library." \
		"On Debian: apt install gcc libc6-dev. The tests run without -race."
}

test_modules() {
	if [[ -f bench/go.mod ]]; then
		say "bench: each benchmark once"
		go -C bench test -bench=. -benchtime=1x ./...
	fi
	if [[ -f oracle/go.mod ]]; then
		say "oracle: the official SDK against this project"
		go -C oracle test ./...
	fi
}

# test_root comes last, so that what is left on the screen is go test's own.
test_root() {
	local raced plain=""
	raced=$(go list ./...)
	# The lists below are words on purpose.
	# shellcheck disable=SC2086
	if [[ -n $race && -n $without_race ]]; then
		plain=$(go list $without_race)
		raced=$(grep -vxF "$plain" <<<"$raced")
		say "go test"
		go test $plain
	fi
	say "go test $race"
	# shellcheck disable=SC2086
	CGO_ENABLED=${race:+1} go test $race $raced
}

run_tests() {
	# No test may reach a real account, whatever the caller has set.
	unset "${!ANTHROPIC_@}" "${!CLAUDE_FORCE_@}"
	lint
	cross_build
	prepare_race
	test_modules
	test_root
}

# fuzz runs every fuzz target of every module for FUZZTIME.
fuzz() {
	local file target
	{ grep -rEo --include='*_test.go' '^func Fuzz[[:alnum:]_]+' . || true; } |
		while IFS=: read -r file target; do
			target=${target#func }
			say "$target in ${file%/*}"
			(cd "${file%/*}" && go test -run='^$' -fuzz="^$target\$" -fuzztime="${FUZZTIME:-20s}" . </dev/null)
		done
}

# bench measures COUNT times and compares with the run before, if there is one.
bench() {
	local before=bin/bench.before.txt now=bin/bench.txt
	mkdir -p bin
	if [[ -f $now ]]; then
		mv "$now" "$before"
	fi
	go -C bench test -run='^$' -bench="${BENCH:-.}" -count="${COUNT:-6}" ./... | tee "$now"
	if [[ -f $before ]]; then
		pinned benchstat "$before" "$now"
	else
		pinned benchstat "$now"
	fi
}

need_go
case ${1:-} in
test) run_tests ;;
lint | fuzz | bench) "$1" ;;
*) fail "usage: tools/tasks.sh test|lint|fuzz|bench" ;;
esac
