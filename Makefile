# The commands of the project. Needs python3 >= 3.11 with its venv module, and make; uses uv if it is on PATH.
# PYTHON=/path/to/python3 names another interpreter.

SHELL := /bin/sh
.DEFAULT_GOAL := help

VENV ?= .venv
BIN := $(VENV)/bin
REQUIREMENTS ?= requirements/dev.txt
# Touched after an installation: make installs again when a lock file is newer. STAMP is for the packages of
# REQUIREMENTS, RUN_STAMP for those of `make run`. dev.txt contains the latter, so its installation touches both.
STAMP := $(VENV)/.installed
RUN_STAMP := $(VENV)/.installed-run
# Packages of the benchmarks: load generators, and the servers that are compared.
BENCH := .venv-bench
# Packages that drive a browser.
BROWSER := .venv-browser
# The built app: test-browser builds it again when a source is newer.
APP := client/dist/app/index.html
URL ?= http://127.0.0.1:8000

# Python keeps its bytecode: without it, each of the processes of a system compiles all modules at its start.
unexport PYTHONDONTWRITEBYTECODE

COMPILE := pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-annotate --no-header

.PHONY: help run reload grant auth secrets migration setup test fuzz test-all-cases test-packages test-large test-isolation test-migration test-faults test-browser client test-clients lifetimes soak timing bench bench-growth bench-setup load load-ui \
	lint lock clean

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' Makefile

run: $(RUN_STAMP) ## Start the whole system on this machine; Ctrl-C stops it
	@exec $(BIN)/python -m stack

reload: ## Reload the routes file in the gateway of `make run` (of the same DATA_DIR)
	@$(BIN)/python -m stack reload

grant: ## Give an account a role: EMAIL=ann@example.com ROLE=staff
	@if [ -z "$$EMAIL" ] || [ -z "$$ROLE" ]; then echo 'usage: make grant EMAIL=ann@example.com ROLE=staff' >&2; exit 2; fi
	@$(BIN)/python -m stack auth users grant -- "$$EMAIL" "$$ROLE"

auth: ## Run a command of the auth service: ARGS='users list --json' (ARGS=--help lists all)
	@$(BIN)/python -m stack auth $(ARGS)

secrets: $(RUN_STAMP) ## Create the missing secrets of docker-compose.yml, in .data/secrets
	@$(BIN)/python -m stack secrets

migration: $(RUN_STAMP) ## Create the next migration of a service: SERVICE=resource_service MESSAGE='what changes'
	@if [ -z "$$SERVICE" ] || [ -z "$$MESSAGE" ]; then \
		echo "usage: make migration SERVICE=resource_service MESSAGE='what changes'" >&2; exit 2; fi
	@$(BIN)/python -m "$$SERVICE" migration "$$MESSAGE"

setup: $(STAMP) ## Install everything for tests and checks into .venv (other commands do this when needed)

test: setup ## Run all tests, three files at a time (five minutes on two cores)
	@$(BIN)/python -m pytest -n 3

fuzz: setup ## Compare the effects of 100,000 generated messages before and after similar ones: CASES=1000 SEED=7
	@SALLYPORT_FUZZ=$(or $(CASES),100000) SALLYPORT_FUZZ_SEED=$(or $(SEED),1) $(BIN)/python -m pytest tests/gateway/cold_and_warm

test-all-cases: setup ## Run all cases of the tests of which `make test` runs a sample (a minute)
	@SALLYPORT_ALL_CASES=1 $(BIN)/python -m pytest tests/auth_service/accounts/foreign_hashes/test_recorded_hashes.py \
		tests/auth_service/sessions/test_changed_lifetimes.py

test-packages: setup ## Build the wheels of packages/, and test each in an environment with nothing else (needs Node 20 and npm)
	@packages/test.sh sallyport-client httpx,requests
	@packages/test.sh sallyport-service eddsa pyjwt
	@$(BIN)/python -m pytest tests/packages

test-large: setup ## Run the tests that send 1 GiB through the gateway and measure its memory
	@$(BIN)/python -m pytest tests/system/test_large_bodies.py

test-isolation: setup ## Run the tests that start each service with its own requirements only
	@SALLYPORT_ISOLATION=1 $(BIN)/python -m pytest --timeout 600 tests/system/test_isolation.py

test-migration: setup ## Test the move of a Django project with djoser, which runs in an environment of its own
	@$(MAKE) --no-print-directory setup VENV=.venv-migration REQUIREMENTS=requirements/migration.txt
	@$(BIN)/python -m pytest tests/migration

test-faults: setup ## Test a running system with failures, overload and hostile input (ten minutes)
	@SALLYPORT_FAULTS=1 $(BIN)/python -m pytest --timeout 600 tests/faults tests/gateway/server/test_smuggling.py \
		tests/gateway/server/test_message_forms.py tests/gateway/endpoints/test_hostile_json.py tests/auth_service/api/test_hostile_json.py \
		tests/resource_service/test_hostile_json.py tests/auth_service/mail/test_sending.py tests/auth_service/mail/test_sending_processes.py \
		tests/auth_service/importing/test_stopped_import.py

test-browser: ## Run the hosted pages, the first page and the app in Chromium of the system (needs chromium, Node 20 and npm)
	@if [ ! -f $(APP) ] || [ -n "$$(find client -newer $(APP) -type f -not -path '*/node_modules/*' -not -path '*/dist/*' \
		-not -path '*/.angular/*')" ]; then $(MAKE) --no-print-directory client; fi
	@$(MAKE) --no-print-directory setup VENV=$(BROWSER) REQUIREMENTS='requirements/dev.txt requirements/browser.txt'
	@[ -d tests/browser/node_modules ] || (cd tests/browser && npm ci --silent --no-audit --no-fund --ignore-scripts)
	@$(BROWSER)/bin/python -m pytest -n 2 tests/browser

client: ## Build the app into client/dist/app, which the gateway serves at /app/ (needs Node 20 and npm)
	@cd client && npm ci --silent --no-audit --no-fund --ignore-scripts && npm run --silent build

test-clients: setup ## Test the client for front ends, the app, and clients of others against a running stack (needs Node 20 and npm)
	@cd client && npm ci --silent --no-audit --no-fund --ignore-scripts
	@cd client && npm run --silent check -w @sallyport/client && npm run --silent build -w @sallyport/client
	@cd client && npm test --silent -w @sallyport/client
	@cd client && npm test --silent
	@$(BIN)/python -m pytest -n 3 --timeout 600 tests/front_end tests/clients

lifetimes: setup ## Play 10,000 lives of simulated apps with each client (needs Node 20 and npm): LIVES=1000 SEED=7 CLIENT=python
	@$(BIN)/python -m tests.lifetimes $(if $(CLIENT),--client $(CLIENT)) \
		--lives $(or $(LIVES),10000) --first $(or $(FIRST),0) --seed $(or $(SEED),1)

soak: setup ## Test for 40 minutes: 100,000 refreshes, a million bodies and requests, idle and hostile connections
	@SALLYPORT_SOAK=1 $(BIN)/python -m pytest --timeout 7200 tests/load

timing: setup ## Compare the duration of requests for existing and unknown accounts (three minutes): ARGS='--pairs 100 log-in'
	@$(BIN)/python -m tests.load.auth_service.account_timing $(ARGS)

bench: bench-setup ## Compare the gateway with nginx, HAProxy, Envoy and others (25 minutes; ARGS=--quick: 4)
	@$(BENCH)/bin/python -m tests.load.bench $(ARGS)

bench-growth: bench-setup ## Measure the cost of a request as routes, revocations, tokens and connections grow
	@$(BENCH)/bin/python -m tests.load.growth $(ARGS)

load: bench-setup ## Simulate users of a running system for a minute: URL=http://127.0.0.1:8000, ARGS='--users 200'
	@$(BENCH)/bin/python -m tests.load.users $(URL) $(ARGS)

load-ui: bench-setup ## Simulate users of a running system, controlled in a browser at http://127.0.0.1:8089
	@$(BENCH)/bin/python -m tests.load.users $(URL) --ui $(ARGS)

bench-setup: setup
	@$(MAKE) --no-print-directory setup VENV=$(BENCH) REQUIREMENTS='requirements/dev.txt requirements/bench.txt'
	@$(MAKE) --no-print-directory setup VENV=$(BENCH)-django REQUIREMENTS=requirements/bench_django.txt \
		|| echo 'Django could not be installed: it is left out of the comparison' >&2

lint: setup ## Check style, types and import rules
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

lock: setup ## Lock requirements/*.in, with hashes, in requirements/*.txt
	@PATH="$$PATH:$(abspath $(BIN))"; \
	command -v uv >/dev/null || $(BIN)/python -m pip install --quiet uv; \
	cd requirements && uv $(COMPILE) dev.in -o dev.txt && uv $(COMPILE) -c dev.txt run.in -o run.txt && \
	uv $(COMPILE) -c dev.txt bench.in -o bench.txt && uv $(COMPILE) bench_django.in -o bench_django.txt && \
	uv $(COMPILE) -c dev.txt browser.in -o browser.txt && uv $(COMPILE) node.in -o node.txt && uv $(COMPILE) -c dev.txt packages.in -o packages.txt && uv $(COMPILE) migration.in -o migration.txt && \
	for service in gateway auth_service resource_service; do \
		uv $(COMPILE) -c dev.txt $$service.in -o $$service.txt || exit 1; \
	done

clean: ## Remove the virtual environments and all caches; .data/ stays
	@rm -rf $(VENV) .venv-migration .venv-node .venv-package-* $(BENCH) $(BENCH)-django $(BROWSER) tests/load/peers/fastify/node_modules tests/browser/node_modules tests/clients/node_modules tests/clients/nuxt_auth/node_modules tests/packages/another_language/node_modules client/node_modules client/packages/*/node_modules client/packages/*/dist client/packages/*/build client/dist client/.angular
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP): $(REQUIREMENTS)
	@requirements/install.sh $(VENV) $(REQUIREMENTS)
	@touch $@ $(RUN_STAMP)

$(RUN_STAMP): requirements/run.txt
	@requirements/install.sh $(VENV) requirements/run.txt
	@touch $@
