// Package selector tells which agent fits a task, why, and when none does.
//
// Three kinds of evidence are put together. Words: those of the task are looked
// up, by their stems, in what the agents say of themselves. Areas of work: a task
// is likely of some, by the words and requests that are usual there, and an agent
// is at home in some, by its own words; so "slow" leads to who speaks of
// performance. Meaning: the vector of the task is compared with those of the
// agent's description, of its domains and of its examples. Without an [Embedder]
// the first two have to do.
//
// How much each piece of evidence weighs, and what confidence it makes, are
// numbers that the program in the folder fit learns from labelled tasks
// (weights.go). They hold for a single agent as for thousands: no measure is
// relative to the other agents of a collection.
package selector
