package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// Agents is how many agents the project has that are listed.
const Agents = 30

// Programs are the commands whose start is measured.
type Programs struct {
	// Ours is claude-force, Bare a program that has an HTTP client and server
	// and prints a line, and launcher starts both.
	Ours, Bare string
	launcher   string
}

// BuildPrograms builds them into dir as static files, with further flags. It
// must be called in the folder of this module.
func BuildPrograms(ctx context.Context, dir string, flags ...string) (Programs, error) {
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/claude-force/claude-force").Output()
	if err != nil {
		return Programs{}, fmt.Errorf("find the module of claude-force, from the folder bench: %w", err)
	}
	build := func(in, pkg string) (string, error) {
		out := filepath.Join(dir, filepath.Base(pkg))
		args := append([]string{"build", "-ldflags=-s -w", "-o", out}, flags...)
		cmd := exec.CommandContext(ctx, "go", append(args, pkg)...)
		cmd.Dir, cmd.Env, cmd.Stderr = in, append(os.Environ(), "CGO_ENABLED=0"), os.Stderr
		if err := cmd.Run(); err != nil {
			return "", fmt.Errorf("build %s: %w", pkg, err)
		}
		return out, nil
	}
	var p Programs
	if p.Ours, err = build(strings.TrimSpace(string(root)), "./cmd/claude-force"); err != nil {
		return p, err
	}
	if p.Bare, err = build(".", "./cmd/bare"); err != nil {
		return p, err
	}
	p.launcher, err = build(".", "./cmd/launch")
	return p, err
}

// Start is what one start of a program took, from its start to its end.
type Start struct {
	// CPUMicroseconds is the processor time, user and system; PeakKilobytes
	// the most memory that was resident.
	CPUMicroseconds, PeakKilobytes int64
}

// Starts runs claude-force with these arguments on a project of [Agents] agents,
// and the bare program, in turns, and returns what each start took. The output
// must hold a text.
func Starts(ctx context.Context, p Programs, runs int, holds string, args ...string) (ours, bare []Start, err error) {
	dir, err := os.MkdirTemp("", "claude-force-bench-")
	if err != nil {
		return nil, nil, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a folder of the system's own for such files
	if err := writeAgents(dir, Agents, prose(SystemBytes)); err != nil {
		return nil, nil, err
	}
	cmd := exec.CommandContext(ctx, p.launcher, append([]string{strconv.Itoa(runs), p.Bare, p.Ours}, args...)...)
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	cmd.Env = []string{"HOME=" + filepath.Join(dir, "home")}
	out, err := cmd.Output()
	if err != nil {
		return nil, nil, fmt.Errorf("start the programs: %w", err)
	}
	var result struct {
		Ours, Bare []Start
		Output     string
	}
	if err := json.Unmarshal(out, &result); err != nil {
		return nil, nil, err
	}
	if !strings.Contains(result.Output, holds) {
		return nil, nil, fmt.Errorf("%q printed %q", args, result.Output)
	}
	return result.Ours, result.Bare, nil
}

// CPU returns the processor times in milliseconds.
func CPU(starts []Start) []float64 {
	out := make([]float64, len(starts))
	for i, s := range starts {
		out[i] = float64(s.CPUMicroseconds) / 1e3
	}
	return out
}

// Peak returns the peaks of memory in megabytes.
func Peak(starts []Start) []float64 {
	out := make([]float64, len(starts))
	for i, s := range starts {
		out[i] = float64(s.PeakKilobytes) / 1024
	}
	return out
}
