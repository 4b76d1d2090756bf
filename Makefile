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
# Packages that drive a browser; the tests also use those of VENV.
BROWSER := .venv-browser
# The packages of the client and the app. npm writes this file last.
CLIENT_PACKAGES := client/node_modules/.package-lock.json
# Packages that build the site of the documentation, and the library that draws its diagrams.
DOCS := .venv-docs
DIAGRAMS := website/node_modules/.package-lock.json
# The built client for front ends: made again when a source is newer.
KIT := client/packages/client/dist/index.js
KIT_SOURCES = $(shell find client/packages/client/src client/packages/client/tsconfig*.json -type f)
# Packages that compare responses with the OpenAPI document.
CONTRACT := .venv-contract
# The Compose plugin of the deployment tests.
DEPLOY := .venv-deploy
# kubectl, and the schemas of the Kubernetes API.
KUBERNETES := .venv-kubernetes
# What builds and audits a release.
RELEASE := .venv-release
# The built app: test-browser builds it again when a source is newer.
APP := client/dist/app/index.html
URL ?= http://127.0.0.1:8000

# Python keeps its bytecode: without it, each of the processes of a system compiles all modules at its start.
unexport PYTHONDONTWRITEBYTECODE

COMPILE := pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-annotate --no-header

.PHONY: help run up down update compile doctor tour reload grant auth rotate secrets migration setup test test-system fuzz test-compiled test-all-cases test-packages test-large test-isolation test-edge test-migration test-faults test-hosts test-topologies test-rotation test-alerts test-deploy test-kubernetes test-release release audit test-contract openapi test-browser client test-clients lifetimes soak timing bench bench-growth bench-setup load load-ui \
	docs docs-serve lint lock clean

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' Makefile

run: $(RUN_STAMP) ## Start the whole system on this machine; Ctrl-C stops it
	@exec $(BIN)/python -m stack

up: ## Build and start the whole system in containers, healthy when the command ends (needs Docker Compose)
	@deploy/compose/check.sh
	@$(MAKE) --no-print-directory secrets SECRETS_DIR="$${SECRETS_DIR:-$$(sed -n 's/^SECRETS_DIR=//p' .env 2>/dev/null)}"
	@docker compose up --build --wait --detach
	@echo "ready at http://$$(docker compose port balancer 8000)"

down: ## Stop and remove the containers of `make up`; the databases stay
	@deploy/compose/check.sh
	@docker compose down

update: ## Replace the containers of `make up` by new ones of the present code, while the system serves requests
	@deploy/compose/check.sh
	@deploy/compose/update.sh

tour: $(RUN_STAMP) ## Take a tour of the system of `make run`: log-in, notes, refresh, replay; in another terminal
	@$(BIN)/python -m stack tour | sh

doctor: $(RUN_STAMP) ## Check the system of `make run` for faults, with cause and cure: ARGS='--json' (ARGS=--help lists all)
	@$(BIN)/python -m doctor --stack $(ARGS)

compile: setup ## Compile the gateway into build/compiled (needs a C compiler); GATEWAY_COMPILED=on make run uses it
	@$(BIN)/python -m compilation

reload: ## Reload the routes file in the gateway of `make run` (of the same DATA_DIR)
	@$(BIN)/python -m stack reload

grant: ## Give an account a role: EMAIL=ann@example.com ROLE=staff
	@if [ -z "$$EMAIL" ] || [ -z "$$ROLE" ]; then echo 'usage: make grant EMAIL=ann@example.com ROLE=staff' >&2; exit 2; fi
	@$(BIN)/python -m stack auth users grant -- "$$EMAIL" "$$ROLE"

auth: ## Run a command of the auth service: ARGS='users list --json' (ARGS=--help lists all)
	@$(BIN)/python -m stack auth $(ARGS)

rotate: ## Replace all keys and secrets of `make run` without a restart: ARGS='--wait peer notes' (ARGS=--help lists all)
	@$(BIN)/python -m stack rotate $(ARGS)

secrets: $(RUN_STAMP) ## Create the missing secrets of docker-compose.yml, in .data/secrets
	@$(BIN)/python -m stack secrets

migration: $(RUN_STAMP) ## Create the next migration of a service: SERVICE=resource_service MESSAGE='what changes'
	@if [ -z "$$SERVICE" ] || [ -z "$$MESSAGE" ]; then \
		echo "usage: make migration SERVICE=resource_service MESSAGE='what changes'" >&2; exit 2; fi
	@$(BIN)/python -m "$$SERVICE" migration "$$MESSAGE"

setup: $(STAMP) ## Install everything for tests and checks into .venv (other commands do this when needed)

test: setup ## Run all tests but those that start whole services, four files at a time (just under three minutes on two cores)
	@$(BIN)/python -m pytest -n 4 -m 'not system'

test-system: setup ## Run the tests that start whole services as processes (two minutes on two cores)
	@$(BIN)/python -m pytest -n 3 -m system

fuzz: setup ## Compare the effects of 100,000 generated messages before and after similar ones: CASES=1000 SEED=7
	@SALLYPORT_FUZZ=$(or $(CASES),100000) SALLYPORT_FUZZ_SEED=$(or $(SEED),1) $(BIN)/python -m pytest tests/gateway/cold_and_warm

test-compiled: compile ## Run the tests of the gateway, and 5,000 cases of make fuzz, on the compiled gateway: CASES=1000
	@PYTHONSAFEPATH=1 PYTHONPATH=$(CURDIR)/build/compiled:$(CURDIR) SALLYPORT_FUZZ=$(or $(CASES),5000) GATEWAY_COMPILED=on \
		$(BIN)/python -m pytest --import-mode=append -n 3 tests/gateway

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

test-edge: setup ## Run the system tests of the shared stack through the edge (Debian: haproxy)
	@SALLYPORT_TEST_EDGE=1 $(BIN)/python -m pytest -n 2 tests/system/edge tests/system/balancers/test_forward_auth.py \
		tests/system/test_bad_input.py tests/system/test_event_stream.py tests/system/test_forgery.py tests/system/test_large_bodies.py tests/system/test_mail.py \
		tests/system/test_pages.py tests/system/test_parallel_logins.py tests/system/test_python_client.py tests/system/test_readme.py tests/system/test_refresh.py

test-migration: setup ## Test the move of a Django project with djoser, which runs in an environment of its own
	@$(MAKE) --no-print-directory setup VENV=.venv-migration REQUIREMENTS=requirements/migration.txt
	@$(BIN)/python -m pytest tests/migration

test-faults: setup ## Test a running system with failures, overload and hostile input (ten minutes)
	@SALLYPORT_FAULTS=1 $(BIN)/python -m pytest --timeout 600 tests/faults tests/gateway/server/test_smuggling.py \
		tests/gateway/server/test_message_forms.py tests/gateway/endpoints/test_hostile_json.py tests/auth_service/api/test_hostile_json.py \
		tests/resource_service/test_hostile_json.py tests/auth_service/mail/test_sending.py tests/auth_service/mail/test_sending_processes.py \
		tests/auth_service/importing/test_stopped_import.py

test-topologies: setup ## Kill a Redis primary of Sentinel and of a Cluster under load; test revocations, throttling, rate limits and tickets on both, and on redis-server
	@SALLYPORT_TOPOLOGIES=1 $(BIN)/python -m pytest --timeout 600 tests/topologies
	@for redis in sentinel cluster $$(command -v redis-server >/dev/null && echo redis-server); do \
		SALLYPORT_TEST_REDIS=$$redis $(BIN)/python -m pytest --timeout 300 tests/auth_service/sessions/test_blacklist.py \
			tests/auth_service/sessions/test_revocation_feed.py tests/auth_service/throttling \
			tests/gateway/tokens/test_revocation_feed.py tests/gateway/rate_limits tests/gateway/browser_sessions || exit 1; \
	done

test-hosts: setup ## Lose, part, slow down and upgrade hosts (network namespaces) with traffic on: root, Debian: haproxy postgresql nftables ethtool
	@SALLYPORT_HOSTS=1 $(BIN)/python -m pytest --timeout 600 $(or $(FILES),tests/hosts)

test-rotation: setup ## Replace every key and secret of a running system under load (seven minutes)
	@SALLYPORT_ROTATION=1 $(BIN)/python -m pytest -s --timeout 600 tests/rotation

test-alerts: setup ## Play a fault for each alert in a running system, and wait until it fires in Prometheus (Debian: prometheus)
	@SALLYPORT_ALERTS=1 $(BIN)/python -m pytest --timeout 300 tests/alerts

test-deploy: setup ## Build the images, and play scaling, an update and kills with docker-compose.yml (Debian: docker.io, debootstrap; root)
	@$(MAKE) --no-print-directory setup VENV=$(DEPLOY) REQUIREMENTS=requirements/deploy.txt
	@SALLYPORT_DEPLOY=$(abspath $(DEPLOY))/bin/docker-compose $(BIN)/python -m pytest -s -rs --timeout 1200 tests/deploy

test-kubernetes: setup ## Render deploy/kubernetes with kubectl, and compare it with the API schemas and the services (no cluster)
	@$(MAKE) --no-print-directory setup VENV=$(KUBERNETES) REQUIREMENTS=requirements/kubernetes.txt
	@KUBERNETES_TOOLS=$(KUBERNETES)/bin $(BIN)/python -m pytest tests/kubernetes

test-release: release-setup ## Build a release, and compare its files with the lock files
	@RELEASE_TOOLS=$(RELEASE)/bin $(BIN)/python -m pytest tests/release

release: release-setup ## Build wheels, images, SBOMs, lists of licences, notes and checksums into build/release: ARGS=--no-images
	@$(BIN)/python -m release $(ARGS)

audit: release-setup ## Look for known vulnerabilities in the packages of the images (pip-audit, which asks PyPI)
	@for service in gateway auth_service resource_service tracing; do \
		echo "== requirements/$$service.txt"; \
		$(RELEASE)/bin/pip-audit --strict --progress-spinner off --disable-pip --require-hashes -r requirements/$$service.txt || exit 1; \
	done

release-setup: setup
	@$(MAKE) --no-print-directory setup VENV=$(RELEASE) REQUIREMENTS=requirements/release.txt

test-contract: setup ## Compare a running stack with its OpenAPI document (schemathesis, six minutes): EXAMPLES=20
	@$(MAKE) --no-print-directory setup VENV=$(CONTRACT) REQUIREMENTS=requirements/contract.txt
	@SCHEMATHESIS=$(CONTRACT)/bin/schemathesis EXAMPLES=$(or $(EXAMPLES),200) $(BIN)/python -m pytest -s --timeout 3600 tests/api_contract

openapi: setup $(CLIENT_PACKAGES) ## Write openapi.yaml, the requests in docs/requests/, and the types of the client, from the code (needs Node 20 and npm)
	@$(BIN)/python -m tests.openapi.write
	@cd client && npm run --silent types -w @sallyport/client

test-browser: setup ## Run the hosted pages, the first page and the app in Chromium of the system (needs chromium, Node 20 and npm): FILES=tests/browser/app/test_entry.py
	@if [ ! -f $(APP) ] || [ -n "$$(find client -newer $(APP) -type f -not -path '*/node_modules/*' -not -path '*/dist/*' \
		-not -path '*/.angular/*')" ]; then $(MAKE) --no-print-directory client; fi
	@$(MAKE) --no-print-directory setup VENV=$(BROWSER) REQUIREMENTS=requirements/browser.txt
	@[ -d tests/browser/node_modules ] || (cd tests/browser && npm ci --silent --no-audit --no-fund --ignore-scripts)
	@PYTHONPATH=$$(echo $(CURDIR)/$(BROWSER)/lib/python3*/site-packages) $(BIN)/python -m pytest -n 3 $(or $(FILES),tests/browser)

client: $(CLIENT_PACKAGES) ## Build the app into client/dist/app, which the gateway serves at /app/ (needs Node 20 and npm)
	@cd client && npm run --silent build

test-clients: setup $(KIT) ## Test the client for front ends, the app, and clients of others against a running stack (needs Node 20 and npm)
	@cd client && npm run --silent check -w @sallyport/client
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

docs: setup $(DIAGRAMS) ## Build the documentation as a site into build/site, and check it (needs Node 20 and npm)
	@$(MAKE) --no-print-directory setup VENV=$(DOCS) REQUIREMENTS=requirements/docs.txt
	@NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/python -m mkdocs build --quiet
	@$(BIN)/python -m pytest tests/website

docs-serve: setup $(DIAGRAMS) ## Serve the documentation at http://127.0.0.1:8088, and build it again after each change
	@$(MAKE) --no-print-directory setup VENV=$(DOCS) REQUIREMENTS=requirements/docs.txt
	@NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/python -m mkdocs serve --dev-addr 127.0.0.1:8088 --watch website

lint: setup ## Check style, types and import rules
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

lock: setup ## Lock requirements/*.in, with hashes, in requirements/*.txt
	@PATH="$$PATH:$(abspath $(BIN))"; \
	command -v uv >/dev/null || $(BIN)/python -m pip install --quiet uv; \
	cd requirements && uv $(COMPILE) dev.in -o dev.txt && uv $(COMPILE) -c dev.txt run.in -o run.txt && uv $(COMPILE) -c dev.txt compile.in -o compile.txt && \
	uv $(COMPILE) -c dev.txt bench.in -o bench.txt && uv $(COMPILE) bench_django.in -o bench_django.txt && \
	uv $(COMPILE) -c dev.txt browser.in -o browser.txt && uv $(COMPILE) -c dev.txt contract.in -o contract.txt && uv $(COMPILE) -c dev.txt kubernetes.in -o kubernetes.txt && uv $(COMPILE) -c dev.txt release.in -o release.txt && uv $(COMPILE) node.in -o node.txt && uv $(COMPILE) deploy.in -o deploy.txt && uv $(COMPILE) -c dev.txt docs.in -o docs.txt && uv $(COMPILE) -c dev.txt packages.in -o packages.txt && uv $(COMPILE) migration.in -o migration.txt && \
	for service in gateway auth_service resource_service tracing; do \
		uv $(COMPILE) -c dev.txt $$service.in -o $$service.txt || exit 1; \
	done

clean: ## Remove the virtual environments and all caches; .data/ stays
	@rm -rf $(VENV) .venv-migration .venv-node .venv-package-* $(BENCH) $(BENCH)-django $(BROWSER) $(CONTRACT) $(DEPLOY) $(KUBERNETES) $(RELEASE) $(DOCS) website/node_modules tests/load/peers/fastify/node_modules tests/browser/node_modules tests/clients/node_modules tests/clients/nuxt_auth/node_modules tests/packages/another_language/node_modules client/node_modules client/packages/*/node_modules client/packages/*/dist client/packages/*/build client/dist client/.angular
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(CLIENT_PACKAGES): client/package-lock.json
	@cd client && npm ci --silent --no-audit --no-fund --ignore-scripts
	@touch $@

$(DIAGRAMS): website/package-lock.json
	@cd website && npm ci --silent --no-audit --no-fund --ignore-scripts
	@touch $@

$(KIT): $(CLIENT_PACKAGES) $(KIT_SOURCES)
	@cd client && npm run --silent build -w @sallyport/client

$(STAMP): $(REQUIREMENTS)
	@requirements/install.sh $(VENV) $(REQUIREMENTS)
	@touch $@ $(RUN_STAMP)

$(RUN_STAMP): requirements/run.txt
	@requirements/install.sh $(VENV) requirements/run.txt
	@touch $@
