# Needs node 20 or newer, npm and make. The first command that needs packages installs them.
BUN := node_modules/.bin/bun
# There once the packages of developers are, too: tests, formatter, types. To run or build takes half of it.
DEV := node_modules/knip
BINARY := dist/zai2api
# Options for the command: make run ARGS="--port 9000"
ARGS :=
# Where to write a test report for machines: make test JUNIT=report.xml
JUNIT :=
# The time limit for one test in milliseconds. Bun's default of 5 s is too short on a busy machine.
PATIENCE := --timeout 20000
# A process for each core, and in each one set of modules for all files it runs: loading them anew costs as much as most files.
PARALLEL := --parallel --no-isolate
REPORT := $(if $(JUNIT),--reporter=junit --reporter-outfile=$(JUNIT))

.DEFAULT_GOAL := help
.PHONY: help run demo dev check fix test test-browser test-postgres test-agents test-libraries screenshots golden outdated bench bench-cluster build smoke fuzz soak release npm ci clean

help: ## show these commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 23
	@echo
	@echo '  Options go into ARGS: make run ARGS="--port 9000"'

# Bun reads them before it runs anything: src/server/runtime-variables.ts says why. The executable sets them itself.
run demo dev: export BUN_CONFIG_MAX_HTTP_REQUESTS ?= 20000
run demo dev: export BUN_JSC_useFTLJIT ?= 0

run: $(BUN) ## start the gateway
	@$(BUN) src/main.ts serve $(ARGS)

demo: $(BUN) ## start it with a scripted model: no account, no network
	@$(BUN) src/main.ts demo $(ARGS)

dev: $(BUN) ## start it and restart it whenever a file changes
	@$(BUN) --watch --no-clear-screen src/main.ts serve $(ARGS)

check: $(DEV) ## format, lint, types, layers, unused code
	node_modules/.bin/biome check
	node_modules/.bin/tsc --noEmit
	$(BUN) test test/layers.test.ts
	node_modules/.bin/knip

fix: $(DEV) ## mend what the formatter and the linter can mend
	node_modules/.bin/biome check --write

test: $(DEV) ## run the tests
	$(BUN) test $(PARALLEL) $(PATIENCE) $(REPORT) $(ARGS)
	@echo 'Left out: the compiled executable (make smoke), the pages in a browser (make test-browser), a cluster (make test-postgres), coding agents (make test-agents), libraries for Python and others (make test-libraries).'

test-browser: $(DEV) $(BINARY) ## try the pages of the compiled executable in an installed Chromium
	@$(BUN) test/support/chromium.ts
	BINARY=$(CURDIR)/$(BINARY) $(BUN) test $(wildcard ./test/browser/*.browser.ts) $(REPORT)

test-postgres: $(DEV) ## three gateways, nginx and PostgreSQL, which are killed and stopped
	$(BUN) test $(PATIENCE) $(wildcard ./test/cluster/*.cluster.ts) $(REPORT)

test-agents: $(DEV) $(BINARY) ## run seven coding agents, Claude Code to Qwen Code, on the compiled executable
	@$(BUN) test/support/agents/install.ts
	BINARY=$(CURDIR)/$(BINARY) $(BUN) test --max-concurrency 2 $(wildcard ./test/agents/*.agents.ts) $(REPORT)
	@echo 'Left out: whatever needs a person at the keyboard, and the systems and versions not installed here.'

test-libraries: $(DEV) ## try OpenAI's, Anthropic's and Google's packages for Python, LangChain and LlamaIndex
	@$(BUN) test/support/libraries/install.ts
	$(BUN) test $(PATIENCE) $(wildcard ./test/libraries/*.libraries.ts) $(REPORT)

screenshots: $(DEV) $(BINARY) ## take the screenshots in docs/images anew, of the demo in an installed Chromium
	@$(BUN) test/support/chromium.ts
	SCREENSHOTS=write BINARY=$(CURDIR)/$(BINARY) $(BUN) test ./test/browser/screenshots.browser.ts

golden: $(DEV) ## write the golden files anew; read the diff before you commit it
	GOLDEN=write $(BUN) test test/golden.test.ts test/request-golden.test.ts test/readme.test.ts test/conformance.test.ts test/parameters.test.ts

outdated: $(DEV) ## list the packages and coding agents of which npm has a newer version
	@$(BUN) test/support/outdated.ts

bench: $(DEV) ## measure the speed beside other relays, in 7 minutes; QUICK=1 takes one round, BASELINE=dist/other compares
	@$(BUN) test/bench/index.ts

bench-cluster: $(DEV) ## measure what PostgreSQL adds to a request, and one and two gateways on it
	@$(BUN) test/bench/cluster.ts

build: $(BINARY) ## compile dist/zai2api for this machine

smoke: $(DEV) $(BINARY) ## try the compiled executable
	BINARY=$(CURDIR)/$(BINARY) $(BUN) test $(PATIENCE) test/binary.test.ts test/commands-in-documents.test.ts test/deploy/docker-steps.test.ts test/deploy/npm-install.test.ts $(REPORT)

fuzz: $(DEV) ## throw what nobody would send at every door, for FUZZ_SECONDS (60)
	@$(BUN) test/fuzz/index.ts

soak: $(DEV) ## many clients, slow streams, killed processes, for SOAK_SECONDS (120); SOAK_ROWS=words sends some costly requests alone
	@$(BUN) test/soak/index.ts

release: $(BUN) ## pack archives for every platform into dist/release
	$(BUN) deploy/release.ts $(ARGS)

npm: $(BUN) ## pack what npm installs, for every platform, into dist/npm
	$(BUN) deploy/npm.ts $(ARGS)

ci: ## everything a change must pass
	@.ci/run

clean: ## remove what was built
	rm -rf dist coverage .cache

$(BINARY): $(BUN) package.json deploy/build.ts $(shell find src -type f)
	$(BUN) deploy/build.ts

# Packages of developers that are there stay. No package runs a script of its own, but Bun's, which fetches its executable.
define install
	@echo 'Installing packages ...' >&2
	@npm ci --ignore-scripts $(1) --no-audit --no-fund --loglevel=error >/dev/null
	@$(BUN) --version >/dev/null 2>&1 || node node_modules/bun/install.js
	@touch $(BUN)
endef

$(BUN): package.json package-lock.json
	$(call install,$(if $(wildcard $(DEV)),,--omit=dev))

$(DEV): package.json package-lock.json
	$(call install)
	@touch $@
