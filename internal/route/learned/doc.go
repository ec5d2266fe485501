// Package learned owns what was learned from labelled questions: how a text
// becomes numbers, and the model that ranks texts by how much they gain from a
// dearer model of the same family.
//
// A text becomes a [Text]: a fixed list of measures (lengths, numbers,
// operators, kinds of words, shape of the offered answers) and the buckets that
// its words hash to. A [Model] adds up three parts, of which each saw the
// questions in another way: boosted trees and a linear model on the measures,
// and a linear model on the words. The linear model on the measures was trained
// within domains only, the other two over all of them.
//
// All sums run in a fixed order, products are rounded before they are added,
// and measures are rounded to a grid, so that a text has the same score on
// every platform.
package learned
