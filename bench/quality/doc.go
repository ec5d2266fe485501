// Package quality measures, on labelled data, how good the answers are that
// cannot be right or wrong by a rule. Its tests print the figures and fail where
// one is more than two points below the one on record in testdata/figures.json;
// with -update they write the record anew.
//
// The weights of the selector are learned from the tuning set. The trial set
// only measures: nothing is learned from it, chosen by it or changed for it.
package quality
