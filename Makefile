# Targets with a ## comment are listed by `make`. Steps that need more than a
# line are in tools/tasks.sh.

.DEFAULT_GOAL := help

# How long `make fuzz` spends on each target.
FUZZTIME ?= 20s
# How often `make bench` repeats each benchmark that matches BENCH.
COUNT ?= 6
BENCH ?= .

export FUZZTIME COUNT BENCH

.PHONY: help
help: ## Print this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build bin/claude-force (one static file, no cgo)
	CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o bin/claude-force ./cmd/claude-force

.PHONY: test
test: ## Run every check and test, as CI does; what is missing is installed
	@tools/tasks.sh test

.PHONY: lint
lint: ## Run the static checks only
	@tools/tasks.sh lint

.PHONY: format
format: ## Format the code
	go tool -modfile=tools/go.mod gofumpt -w .

.PHONY: cover
cover: ## Test and print the coverage; bin/cover.out has the details
	@mkdir -p bin
	go test -coverpkg=./... -coverprofile=bin/cover.out ./...
	@go tool cover -func=bin/cover.out | tail -n 1

.PHONY: bench
bench: ## Measure, and compare with the run before (COUNT=6 BENCH=.)
	@tools/tasks.sh bench

.PHONY: fuzz
fuzz: ## Run every fuzz target for a while (FUZZTIME=20s)
	@tools/tasks.sh fuzz

.PHONY: clean
clean: ## Remove what the targets above have made
	rm -rf bin
