# Lockstep. "make" lists the targets; everything works on a fresh clone.
#
# What runs where, so that nothing is proved twice:
#   test    every test once, plainly. Needs Go and Node.
#   check   what can be said without looking at results: form, linters, borders,
#           docs, tidiness, build; and the race detector over the packages in
#           which goroutines meet, in another order each time (-shuffle). Those
#           tests run again there because only the race build can see a race;
#           -short lets the long ones take fewer rounds (never leave out a case).
#   verify  what needs Python or Java, or time: conformance from the OpenAPI
#           document, a short run of every fuzz target.
# Cheap things stand first, so that a mistake shows early.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

GO ?= go
FUZZTIME ?= 5s
TEST ?= ./...
# The linters vet what the tests would vet again.
TESTFLAGS ?= -timeout=30m -vet=off
export CGO_ENABLED ?= 0
# The same flags for build, test, vet and lint: packages compile once for all.
export GOFLAGS := $(strip $(GOFLAGS) -trimpath)

# Tests make much garbage and keep little: collecting it less often saves a tenth.
GARBAGE := 300

TOOLS := $(CURDIR)/.tools
LINT := $(TOOLS)/golangci-lint
FUMPT := $(TOOLS)/gofumpt
SCC := $(TOOLS)/scc

# The vendors' client libraries, for the tests that hold our fakes against them.
CLIENTS := $(if $(wildcard scripts/clients/package-lock.json),scripts/clients/node_modules/.package-lock.json)

# What stands in for AWS in the tests: see internal/proof/awslocal.
STANDINS := $(if $(wildcard scripts/standins/package-lock.json),scripts/standins/node_modules/.package-lock.json)

# Python packages that scripts in scripts/verify.d want.
VENV := $(if $(wildcard scripts/verify.d/requirements.txt),$(TOOLS)/venv/.installed)

# Packages without goroutines gain nothing from the race detector; the
# simulation runs single-file by design and is long. The engine starts none, and
# its own tests run one worker at a time; what shares it among several is raced in
# internal/app and functions. The tests of the feature table drive the program that
# internal/app drives, too. With WHOLE=1, as in verify-full, the detector watches
# both as well.
RACE_SKIPS := /internal/(crm|fault|mapping|rule|reconcile|proof/(arch|guards|sim|weave)$(if $(WHOLE),,|app/rows|engine))$$

.PHONY: help run demo test check verify verify-full rows rows-patched apps sim bench mutate fmt fmt-check lint lint-own lint-console vet arch docs-names docs-status lines tidy-check licences race build fuzz clients console standins test-aws e2e e2e-stack tools clean lambda invoke

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## (.*)/  \1\t\2/' | expand -t 16

run: build ## build, then keep two fake CRMs with made-up people in step, until Ctrl-C
	bin/lockstep demo

test: clients console standins ## every test once, with a summary (needs Go and Node)
	GOGC=$(GARBAGE) $(GO) test -json $(TESTFLAGS) $(TEST) | $(GO) run ./scripts/testsum
	cd $(WEB) && npm run --silent test

test-aws: ## the suites of the adapters on real tables and queues, which it makes and deletes (needs AWS credentials; costs cents)
	@if [ -z "$${AWS_PROFILE:-}$${AWS_ACCESS_KEY_ID:-}$${AWS_WEB_IDENTITY_TOKEN_FILE:-}$${AWS_CONTAINER_CREDENTIALS_RELATIVE_URI:-}$${AWS_CONTAINER_CREDENTIALS_FULL_URI:-}" ]; then \
		echo "make test-aws: no AWS credentials: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and AWS_REGION" >&2; exit 1; fi
	LOCKSTEP_TEST_AWS=1 $(GO) test -count=1 -v -timeout=60m -run '^TestAWS$$' ./internal/store/dynamostore ./internal/queue/sqsqueue

check: fmt-check arch docs-names tidy-check licences build lint-own lint-console race ## format, borders, docs, licences, build, lint with vet, race: what a change must pass

verify: build $(VENV) fuzz ## conformance and other outside judges, then 5 s of every fuzz target
	PATH="$(TOOLS)/venv/bin:$$PATH" scripts/verify.sh

e2e: standins ## the functions as they are deployed, killed at random, on stand-ins for AWS: 2,000 people a side, nothing lost (3 minutes)
	@for fn in $(FUNCTIONS); do \
		CGO_ENABLED=0 $(GO) build $(LAMBDA_FLAGS) -o dist/$(HOST_ARCH)/$$fn/bootstrap ./functions/$$fn; \
	done
	$(GO) run ./scripts/e2e -programs dist/$(HOST_ARCH)

e2e-stack: STAGE := dev
e2e-stack: synth standins $(VENV) ## the synthesised stack, created by ministack: a small run through its queue, API and schedules (2 minutes; needs Python)
	@for fn in $(FUNCTIONS); do \
		CGO_ENABLED=0 $(GO) build $(LAMBDA_FLAGS) -o dist/$(HOST_ARCH)/$$fn/bootstrap ./functions/$$fn; \
	done
	PATH="$(TOOLS)/venv/bin:$$PATH" $(GO) run ./scripts/e2e -programs dist/$(HOST_ARCH) -stack cdk.out -people 50 -edits 15 -newcomers 3 -poisoned 0 -kills 0 -sync-kills 0 -stalls 0

verify-full: build lambda ## every figure of docs/invariants.md: target, measured, pass (long)
	$(GO) run ./scripts/verifyfull

rows: standins console ## the feature table: each row with its tests, pass or fail; fails when a row in scope has none
	$(GO) run ./scripts/rows

rows-patched: ## take the behaviour of each row away, one at a time: its test must fail
	$(GO) run ./scripts/rows -patched

apps: $(SCC) ## each app: what it can, whether the suite of all connectors passes with it, its lines
	$(GO) run ./scripts/apps

sim: build ## the short simulation: faults, crashes and users, 0 violations
	bin/lockstep sim

bench: build lambda standins ## calls, writes and memory per record; size and start of the functions (wants an idle machine)
	$(GO) run ./scripts/bench -functions dist -memory -binary bin/lockstep

mutate: standins ## plant MUTANTS (100) small bugs drawn by SEED (1), one at a time: at least 95 % must be noticed (hours)
	$(GO) run ./scripts/mutate -seed $(or $(SEED),1) -n $(or $(MUTANTS),100)

fuzz: ## every fuzz target for FUZZTIME (5s) each
	$(GO) run ./scripts/fuzz -time $(FUZZTIME)

fmt: $(FUMPT) ## format the code
	$(FUMPT) -w $$(git ls-files -co --exclude-standard '*.go')

lint: lint-own ## golangci-lint with the pinned version, over both modules
	cd infra && $(LINT) run ./...

lint-console: console
	cd $(WEB) && npm run --silent check

# Without the infrastructure, whose libraries take a minute to read.
lint-own: $(LINT)
	$(LINT) run ./...

build: console ## bin/lockstep with the console in it, static and reproducible
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/lockstep ./functions/local

# The console's pages, which the program carries. Without Node it says what is missing.
WEB := internal/console/web
PAGES := internal/console/static/app/index.html

console: ## the console's pages, for the program to carry (needs Node)
	@if command -v npm >/dev/null; then $(MAKE) $(PAGES); else echo "no Node here: the program is built without its console"; fi

$(PAGES): $(WEB)/node_modules/.package-lock.json $(WEB)/src/api/schema.d.ts $(wildcard $(shell git ls-files -co --exclude-standard $(WEB) 2>/dev/null))
	cd $(WEB) && npm run --silent build
	@touch $@

# Of every package whose types the API shows.
$(WEB)/src/api/openapi.json: $(wildcard $(shell git ls-files -co --exclude-standard $(addprefix internal/,access account alert api crm engine reconcile) 2>/dev/null | grep '[.]go$$' | grep -v _test.go))
	@$(GO) run ./scripts/openapi >$@.new
	@if cmp -s $@.new $@; then rm $@.new; touch $@; else mv $@.new $@; fi

$(WEB)/src/api/schema.d.ts: $(WEB)/node_modules/.package-lock.json $(WEB)/src/api/openapi.json
	cd $(WEB) && npm run --silent types

$(WEB)/node_modules/.package-lock.json: $(WEB)/package.json $(WEB)/package-lock.json
	cd $(WEB) && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

lines: $(SCC) ## lines of code of each connector and kit
	@scripts/lines.sh

docs-status: ## bring the status column of docs/features.md up to date
	$(GO) run ./scripts/docnames -write

clean: ## remove what was built and the tools
	rm -rf bin .tools internal/console/static/app $(WEB)/node_modules scripts/clients/node_modules scripts/standins/node_modules

# ---- the cloud -------------------------------------------------------------

include infra/infra.mk

# ---- parts of check -------------------------------------------------------

fmt-check: $(FUMPT)
	@bad=$$($(FUMPT) -l $$(git ls-files -co --exclude-standard '*.go')); \
	if [ -n "$$bad" ]; then $(FUMPT) -d $$bad || :; echo "not formatted: make fmt"; exit 1; fi

arch:
	$(GO) test ./internal/proof/arch

docs-names:
	$(GO) run ./scripts/docnames

tidy-check:
	$(GO) mod tidy -diff
	$(GO) mod verify

licences: ## the licence of every Go module and npm package, against those that are allowed ("go run ./scripts/licences -list" lists them)
	$(GO) run ./scripts/licences

vet:
	$(GO) vet ./...

# The race detector needs cgo. What runs on either storage runs on one here; the
# adapters of the other have suites of their own. SQLite is not watched: it guards
# its own memory, and was two thirds of the work.
UNWATCHED := '-gcflags=modernc.org/...=-d=checkptr=0 -race=false'
race: clients standins
	STORE=embedded GOGC=$(GARBAGE) CGO_ENABLED=1 $(GO) test -race $(UNWATCHED) -short -shuffle=on $(TESTFLAGS) $$($(GO) list ./internal/... $(if $(wildcard functions),./functions/...) | grep -vE '$(RACE_SKIPS)')

# ---- functions ------------------------------------------------------------

# What is deployed: one static binary a function, without the parts of the
# Lambda library that an own runtime does not need. The same sources give the
# same bytes.
FUNCTIONS := webhook pull sync api keeper
LAMBDA_FLAGS := -trimpath -tags lambda.norpc -ldflags '-s -w -buildid='
HOST_ARCH := $(shell $(GO) env GOARCH)

lambda: ## dist/<architecture>/<function>/bootstrap, for arm64 and this machine
	@for arch in $(sort arm64 $(HOST_ARCH)); do for fn in $(FUNCTIONS); do \
		CGO_ENABLED=0 GOOS=linux GOARCH=$$arch $(GO) build $(LAMBDA_FLAGS) -o dist/$$arch/$$fn/bootstrap ./functions/$$fn; \
		printf '%10d bytes  %s\n' "$$(stat -c %s dist/$$arch/$$fn/bootstrap)" "dist/$$arch/$$fn/bootstrap"; \
	done; done

invoke: ## one event for a real bootstrap: FN=webhook EVENT=events/webhook-check.json
	@CGO_ENABLED=0 $(GO) build $(LAMBDA_FLAGS) -o dist/$(HOST_ARCH)/$(FN)/bootstrap ./functions/$(FN)
	@$(GO) run ./scripts/invoke -name $(FN) -program dist/$(HOST_ARCH)/$(FN)/bootstrap -event $(EVENT)

# ---- tools ----------------------------------------------------------------

clients: $(CLIENTS)

standins: $(STANDINS)

# No package here needs its install script (the two that have one print a line),
# so that none is run: here, in scripts/clients and in infra/_tools.
scripts/standins/node_modules/.package-lock.json: scripts/standins/package.json scripts/standins/package-lock.json
	cd scripts/standins && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	touch $@

scripts/clients/node_modules/.package-lock.json: scripts/clients/package.json scripts/clients/package-lock.json
	cd scripts/clients && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	touch $@

tools: $(LINT) $(FUMPT)

# About five minutes on two cold cores, once.
$(LINT): scripts/tools/go.mod scripts/tools/go.sum
	@mkdir -p $(TOOLS)
	@echo "building golangci-lint (once, some minutes)"
	cd scripts/tools && CGO_ENABLED=0 $(GO) build -o $@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

$(FUMPT): scripts/tools/go.mod scripts/tools/go.sum
	@mkdir -p $(TOOLS)
	cd scripts/tools && CGO_ENABLED=0 $(GO) build -o $@ mvdan.cc/gofumpt

$(TOOLS)/govulncheck: scripts/tools/go.mod scripts/tools/go.sum
	@mkdir -p $(TOOLS)
	cd scripts/tools && CGO_ENABLED=0 $(GO) build -o $@ golang.org/x/vuln/cmd/govulncheck

$(SCC): scripts/tools/go.mod scripts/tools/go.sum
	@mkdir -p $(TOOLS)
	cd scripts/tools && CGO_ENABLED=0 $(GO) build -o $@ github.com/boyter/scc/v3

$(TOOLS)/venv/.installed: scripts/verify.d/requirements.txt scripts/verify.d/clients.txt
	@mkdir -p $(TOOLS)
	python3 -m venv $(TOOLS)/venv
	$(TOOLS)/venv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	$(TOOLS)/venv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r scripts/verify.d/clients.txt
	touch $@
