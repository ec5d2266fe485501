// Package route decides which line of models a task deserves, by how hard it
// is: locally, without a call, the same every time.
//
// A [Router] gives a task a difficulty between 0 and 1. For a question that is
// what the model in package learned says, as a percentile of the questions it
// was judged on. For an order ("rename …", "design …") those questions say
// little, so hints of work in software weigh most: what the order asks for, how
// long it is, how many demands it makes. [Policy.Choose] then turns a
// difficulty into a line.
//
// docs/routing.md says what was learned from what, and how well it works.
package route
