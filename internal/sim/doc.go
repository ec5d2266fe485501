// Package sim is a simulated Claude API: an http.Handler that speaks the wire
// format of /v1/messages (JSON and server-sent events), of count_tokens, of
// message batches and of /v1/models, by the models and rules of the catalogue.
//
// It stands in for the API in the demo, in this project's tests and
// benchmarks, and in the CI of users. It is therefore strict: what the real
// API refuses is refused, in its words. It counts tokens by a rule of its own
// (count.go), charges the prompt cache (prompt.go), enforces rate limits
// (limit.go), and fails on request ([Fault]). Answers are deterministic; a
// task can prescribe its answer with directives (directive.go).
//
// A message call goes through these steps: authenticate, parse (request.go,
// with a JSON reader that builds no tree), check the form (check.go) and the
// model's rules (checkmodel.go), measure the prompt, compose the answer
// (reply.go), meet the faults, pass the rate limits, wait, write (stream.go or
// wire.go), and settle the output.
//
// Nothing is kept on disk. What is remembered (prompt cache, counts, generated
// answers, batches) is bounded, and no lock is held while an answer is
// written. Time comes from Options.Now and Options.Sleep only.
package sim
