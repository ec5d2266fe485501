// Package model is the catalogue of Claude models as data, and exact money.
//
// It owns what is known of each model: its id and aliases, its line and
// lifecycle, its limits, the parameters it takes, and its dated price cards.
// A copy of that knowledge is embedded ([Builtin]); a newer one can be read
// ([Parse]) and laid over it ([Catalogue.Overlay]). Nothing in this package
// talks to a network, and it imports nothing but the standard library.
//
// Prices are exact. A card's decimal dollars per million tokens are read from
// their text into pico-dollars per token ([Rate]); an exchange is summed and
// multiplied in 128-bit integers and rounded half-even to nano-dollars
// ([Money]) once. Where a price is not known there is no price: one model is
// never charged as another.
//
// Values returned by a [Catalogue] are shared and must not be changed; then
// everything here is safe for concurrent use.
package model
