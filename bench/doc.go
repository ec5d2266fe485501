// Package bench measures claude-force beside what it is compared with: bare
// net/http, the official SDK and a bare program. Both sides of a comparison
// run in turns in the same process (or, where a process is what is measured,
// in turns one after the other), against the same server with the same
// question and the same answer, and every figure is a median.
//
// The server is a process of its own, so that its processor time and memory
// are not counted. The benchmarks in this package measure a little and fail
// where something goes wrong; the command report measures everything at full
// size and prints it as a table.
package bench
