// Package llm is the vocabulary that every room of the house shares: a
// request to a model, the events of its stream, the response, the error, and
// the one small interface, [Caller], that everything which touches a model
// goes through.
//
// A gain (a cache, a limiter, a ledger) is a [Layer]: a Caller around a
// Caller. The package imports nothing but the standard library and knows
// neither HTTP nor prices.
package llm
