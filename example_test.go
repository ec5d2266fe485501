package claudeforce_test

import (
	"context"
	"fmt"
	"log"

	claudeforce "github.com/claude-force/claude-force"
)

// A run with the simulator in place of the API: no key, no cost.
func Example() {
	e, err := claudeforce.Open(claudeforce.Options{Demo: true})
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()
	result, err := e.Run(context.Background(), claudeforce.Run{
		Agent: "code-reviewer",
		Task:  "[[say The file is fine.]]", // a directive of the simulator
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result.Success, result.Output)
	// Output: true The file is fine.
}
