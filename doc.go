// Package claudeforce runs named Claude agents: one or many at once, with one
// engine behind the command line, this library and every server.
//
//	e, err := claudeforce.Open(claudeforce.Options{})
//	if err != nil { … }
//	defer e.Close()
//	result, err := e.Run(ctx, claudeforce.Run{Agent: "code-reviewer", Task: "…"})
//
// The package owns the engine: it finds the project, reads the settings, and
// stacks the layers that every call to a model goes through (see the method
// stack in engine.go). A surface adds nothing but words and flags.
package claudeforce
