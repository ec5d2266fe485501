// Command bare is the least that a program with an HTTP client and server
// does: its start is what claude-force's is compared with.
package main

import (
	"fmt"
	"net/http"
	"os"
	"time"
)

func main() {
	client := &http.Client{Timeout: time.Minute}
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		res, err := client.Get("http://" + r.Host)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		res.Body.Close()
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	if _, err := fmt.Printf("ready: %T and %T\n", client, server); err != nil {
		os.Exit(1)
	}
}
