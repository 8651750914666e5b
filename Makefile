# Everything here needs Go and the usual POSIX tools; `race` also needs a C compiler, as Go's race detector does.
# The linter is built from tools/lint/go.mod on first use.

# What you may set on the command line: make test TESTFLAGS=-v, make fuzz FUZZTIME=1m, make demo ARGS=--once
ARGS      ?=
TESTFLAGS ?=
FUZZTIME  ?= 10s
KAFKA_RUN ?= .
BUILD     ?= build

# Packages with tests in virtual time. They need the tag, or a consumer group inside a bubble hangs for ever.
VIRTUAL_PKGS ?= ./internal/engine/... $(if $(wildcard testkit),./testkit/...)
VIRTUAL       = -tags synctests -run '^TestVirtual' $(VIRTUAL_PKGS)

LINT         = go tool -modfile=$(CURDIR)/tools/lint/go.mod golangci-lint
# Every module of the repository, and those that hold Go code of their own.
MODULES      = . tools/lint $(if $(wildcard bench/go.mod),bench)
CODE_MODULES = $(filter-out tools/lint,$(MODULES))

.DEFAULT_GOAL := help

.PHONY: help
help: ## Print this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

.PHONY: demo
demo: ## Run examples/orders on the embedded broker (ARGS="--once", ARGS="--once -o json")
	@go run ./examples/orders $(ARGS)

.PHONY: build
build: ## Compile every package
	go build ./...

.PHONY: test
test: ## Run all tests, then those in virtual time (TESTFLAGS=-v)
	go test $(TESTFLAGS) ./...
	go test $(TESTFLAGS) $(VIRTUAL)

.PHONY: race
race: ## Run the same tests under the race detector
	go test -race $(TESTFLAGS) ./...
	go test -race $(TESTFLAGS) $(VIRTUAL)

.PHONY: vet
vet: ## Run go vet with and without the build tags of the tests
	@set -e; for module in $(CODE_MODULES); do \
		(cd $$module && set -x && go vet ./... && go vet -tags synctests,apache ./...); \
	done

.PHONY: lint
lint: ## Check format, style and who imports whom with golangci-lint (ARGS=--fix repairs what it can)
	$(LINT) config verify
	@set -e; for module in $(CODE_MODULES); do \
		echo "lint $$module"; \
		(cd $$module && $(LINT) run --config $(CURDIR)/.golangci.yml $(ARGS) ./...); \
	done

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME (10s) each
	@set -e; \
	targets=$$(grep -rHoE --include='*_test.go' --exclude-dir=bench '^func Fuzz[A-Za-z0-9_]+' . | \
		sed -E 's|^(.*)/[^/]*:func (.*)$$|\1 \2|' | sort -u); \
	test -n "$$targets" || { echo "no fuzz target found" >&2; exit 1; }; \
	echo "$$targets" | while read -r package target; do \
		echo "fuzz $$package $$target for $(FUZZTIME)"; \
		go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$$package" </dev/null; \
	done

.PHONY: bench
bench: ## Measure the hot path beside raw franz-go and peers, some minutes (ARGS="-works latency -brokers HOST:PORT")
	@cd bench && go run . $(ARGS)

.PHONY: bench-full
bench-full: ## Measure every work, an hour or more; writes bench/results.json, docs/benchmarks.md and docs/plots
	@cd bench && go run . -works all -out results.json -plots ../docs/plots -docs ../docs/benchmarks.md $(ARGS)

.PHONY: bench-parallel
bench-parallel: ## Measure by key beside Confluent's parallel-consumer on Apache Kafka (Java 17, Maven), 25 minutes
	@go run ./tools/kafka/run -- sh -c 'cd bench && go run . -parallel-consumer -brokers "$$KARAFGO_TEST_BROKERS" $(ARGS)'

.PHONY: kafka
kafka: ## Run Apache Kafka (Java, Maven) until Ctrl-C: one broker (ARGS="-tls -user ada:secret -acls")
	@go run ./tools/kafka/run $(ARGS)

.PHONY: kafka-3
kafka-3: ## The same with three brokers
	@go run ./tools/kafka/run -brokers 3 $(ARGS)

.PHONY: test-kafka
test-kafka: ## Run the suite on Apache Kafka: three brokers, one test at a time, about 10 minutes (KAFKA_RUN=Conformance)
	go run ./tools/kafka/run -brokers 3 -config log.message.timestamp.after.max.ms=9223372036854775807 \
		-- sh -c 'go test -count=1 -tags apache -parallel 1 -timeout 25m -run "$(KAFKA_RUN)" $(TESTFLAGS) ./internal/engine && \
		go test -count=1 -p 1 $(TESTFLAGS) ./testkit ./examples/...'

.PHONY: test-postgres
test-postgres: ## Run the tests of ExternalOffsets and Dedupe on a PostgreSQL of their own (Debian's package postgresql), and on SQLite
	go run ./tools/postgres -- go test -count=1 -run 'External|Passes|PostgreSQL|Dedupe' $(TESTFLAGS) ./offsets/... ./internal/engine ./examples/bank

.PHONY: ledger
ledger: ## Check that nothing is lost under faults (ARGS="-broker kafka -duration 10m -seed 7")
	@go build -o $(BUILD)/ledger ./tools/ledger && $(BUILD)/ledger $(ARGS)

.PHONY: budget
budget: ## Count the instructions of the hot path (valgrind) and compare with what is budgeted
	@.ci/budget

.PHONY: cover
cover: ## Write build/cover.out and build/cover.html and print the total
	@mkdir -p $(BUILD)
	go test $(TESTFLAGS) -coverpkg=./... -coverprofile=$(BUILD)/cover.out ./...
	go tool cover -html=$(BUILD)/cover.out -o $(BUILD)/cover.html
	@go tool cover -func=$(BUILD)/cover.out | tail -n 1

.PHONY: tidy
tidy: ## Tidy go.mod and go.sum of every module
	@set -e; for module in $(MODULES); do \
		(cd $$module && set -x && go mod tidy); \
	done

.PHONY: docs
docs: ## Generate the reference pages under docs
	go generate ./...

.PHONY: ci
ci: ## Run what decides whether a change lands (.ci/run)
	@.ci/run

.PHONY: clean
clean: ## Remove what the targets above wrote
	rm -rf $(BUILD)
