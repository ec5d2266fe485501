package sim_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/claude-force/claude-force/internal/model"
	"github.com/claude-force/claude-force/internal/sim"
)

func Example() {
	catalogue, err := model.Builtin()
	if err != nil {
		panic(err)
	}
	server, err := sim.New(sim.Options{Catalogue: catalogue, Faults: []sim.Fault{{Status: 529, First: 1}}})
	if err != nil {
		panic(err)
	}
	client := &http.Client{Transport: server.Transport()}
	for range 2 {
		request, err := http.NewRequest(http.MethodPost, "https://api.example.com/v1/messages", strings.NewReader(
			`{"model":"claude-haiku-5-5","max_tokens":100,"messages":[{"role":"user","content":"[[say Hello]]"}]}`))
		if err != nil {
			panic(err)
		}
		request.Header.Set("X-Api-Key", "any")
		request.Header.Set("Anthropic-Version", "2023-06-01")
		response, err := client.Do(request)
		if err != nil {
			panic(err)
		}
		body, err := io.ReadAll(response.Body)
		if err != nil {
			panic(err)
		}
		response.Body.Close()
		fmt.Println(response.StatusCode, strings.Contains(string(body), "Hello"))
	}
	// Output:
	// 529 false
	// 200 true
}
