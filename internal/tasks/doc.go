// Package tasks is the room of task files: many runs as JSONL in, their
// results as JSONL out.
//
// [Reader] yields the tasks of a file one by one, in memory that does not grow
// with the file. [Seen] tells an id that came before. [Output] owns the file
// of results: whole lines only, also after a kill, on a full disk and when the
// work is taken up again by [Resume]. [Progress] counts for a display. Who
// makes the runs is not known here.
package tasks
