// Package oracle lets the official Go SDKs of the Messages API judge this
// project: its wire client (internal/claude with the requests of
// internal/llm), and its simulated API (internal/sim). It holds tests only,
// and is a module of its own because an SDK takes minutes to build.
//
// Two SDKs judge, each for the version of the API that it speaks: v1 for
// 2023-06-01, v2 for 2026-10-21, which has no sampling parameters. They share
// no types, so each has an adapter that puts it into this project's words; the
// tests are written once, over the adapters.
//
// Every asker gets a simulator of its own: two with the same seed give the same
// answers down to their ids, so that what an SDK and the client make of them
// must be equal without exception. An SDK also says which fields of an answer
// are required and which it knows: the simulator must send the former, and may
// send none but the latter.
//
// Where the client differs from the SDKs on purpose, the difference stands in
// the table of its test together with the reason.
package oracle
