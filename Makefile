# One entry point for people and for CI. `make help` lists the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Flags for `make dev`, e.g. make dev ARGS="--data-dir /srv/trenova --api-port 9090"
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup programs promtool dev run run-worker logs test test-fast fuzz lint format manifest bench chaos lock clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  \1\t\2/' | expand -t 16

setup: $(STAMP) ## Create .venv and install the locked dependencies

PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
NOT_INSTALLED := { test $$? -ge 128 || rm -f $(VENV)/.installing; \
	  echo "error: pip could not install the dependencies; its message is above" >&2; \
	  echo "hint: fix what it names and run this again; if that does not help, remove $(VENV) first" >&2; exit 1; }

# `make run-worker` and `make run` may be started together in two terminals: the second waits, and finds the stamp of the
# first. LOCKED is set in the make that holds the lock.
ifndef LOCKED
$(STAMP): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "error: $(PYTHON) is older than Python 3.11" >&2; \
	    echo "hint: install Python 3.11 or newer, or name one: make $(or $(MAKECMDGOALS),setup) PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) tools/alone.py Makefile $(MAKE) --silent LOCKED=yes $@
else
# The stamp is written last. If make is killed before that, `.installing` is left, and the next make begins with an empty
# folder, because neither venv nor pip repairs a half-finished installation. If pip fails with an error, as without a
# network, it restores what it had removed: the environment stays, and works as before.
$(STAMP): requirements/dev.txt pyproject.toml
	@test ! -e $(VENV)/.installing || rm -rf $(VENV)
	@mkdir -p $(VENV) && touch $(VENV)/.installing
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(VENV) || \
	  { echo "error: python cannot create a virtual environment" >&2; \
	    echo "hint: install the venv module (Debian: apt-get install python3-venv), remove $(VENV) and run this again" >&2; exit 1; }
	@echo "Installing the locked dependencies into $(VENV) (once; a minute or two) …"
	@$(PIP) --require-hashes -r requirements/dev.txt || $(NOT_INSTALLED)
	@$(PIP) --no-deps --no-build-isolation --editable . || $(NOT_INSTALLED)
	@touch $@ && rm -f $(VENV)/.installing
endif

dev: $(STAMP) ## Run everything on this machine: PostgreSQL, Temporal, API, worker
	@exec $(BIN)/trenova dev $(ARGS)

run: $(STAMP) ## Run the API server (configuration: config/config.yaml)
	@exec $(BIN)/trenova api $(ARGS)

run-worker: $(STAMP) ## Run the worker (configuration: config/config.yaml)
	@exec $(BIN)/trenova worker $(ARGS)

logs: $(STAMP) ## Follow the logs of everything that runs on this machine
	@exec $(BIN)/trenova logs --follow $(ARGS)

# Four at a time, also on two cores: most tests wait for a process half of their time. Bytecode is written even where the
# caller's environment forbids it, or each program that a test starts would compile ours again.
PYTEST = env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest $(if $(findstring ::,$(ARGS)),,--numprocesses 4 --dist loadfile --no-loadscope-reorder)

test: $(STAMP) programs promtool ## Run all tests against real servers (one: ARGS=tests/unit/config/test_sources.py::test_name)
	@$(PYTEST) $(ARGS)

test-fast: $(STAMP) ## Run the tests that need no server, in under a minute (ARGS as for test)
	@$(PYTEST) $(or $(ARGS),tests/unit)

fuzz: $(STAMP) ## Send the API many generated requests, some minutes long (EXAMPLES=500 for more of them)
	@SCHEMATHESIS_EXAMPLES=$(or $(EXAMPLES),100) $(BIN)/python -m pytest tests/contract/test_api_openapi.py $(ARGS)

# One test reads the real Web UI in a real browser, which distributions call chromium or chromium-browser. Another one
# compiles a few lines of C, to run a server under a clock that jumps.
programs:
	@missing=""; \
	  command -v chromium >/dev/null || command -v chromium-browser >/dev/null || missing="chromium"; \
	  command -v cc >/dev/null || missing="$$missing gcc libc6-dev"; \
	  test -z "$$missing" && exit 0; \
	  echo "Installing what some tests need: $$missing …"; \
	  sudo=""; test "$$(id -u)" = 0 || sudo="sudo -n"; \
	  { $$sudo apt-get update -qq && $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing; } >/dev/null || { \
	    echo "error: missing, and could not be installed: $$missing" >&2; \
	    echo "hint: install them with your package manager (Debian: apt-get install $$missing), then run this again" >&2; exit 1; }

# The alert rules are tested with Prometheus' own promtool. Only that program is extracted from the package, because
# installing the package would start a server.
promtool: $(STAMP)
	@command -v promtool >/dev/null || test -x $(BIN)/promtool || { \
	  echo "Getting promtool for the test of the alert rules …"; \
	  sudo=""; test "$$(id -u)" = 0 || sudo="sudo -n"; folder=$$(mktemp -d); \
	  { cd $$folder && { apt-get download prometheus || { $$sudo apt-get update -qq; apt-get download prometheus; }; } && \
	    dpkg-deb -x prometheus_*.deb . && install usr/bin/promtool $(CURDIR)/$(BIN)/promtool; } >/dev/null 2>&1; \
	  rm -rf $$folder; test -x $(CURDIR)/$(BIN)/promtool || { \
	    echo "error: promtool is missing and could not be downloaded" >&2; \
	    echo "hint: install Prometheus (Debian: apt-get install prometheus), then run this again" >&2; exit 1; }; }

lint: $(STAMP) ## Check style, types, names, import directions and the files in deploy/
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/python tools/check_names.py
	@$(BIN)/python tools/check_deployment.py

format: $(STAMP) ## Rewrite the code in the project's format
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

manifest: $(STAMP) ## Write the description of the database that the migrations make (after each change of a migration)
	@$(BIN)/python tools/write_manifest.py

BENCH_STAMP := $(VENV)/.bench
ifndef LOCKED
$(BENCH_STAMP): $(STAMP) requirements/bench.txt
	@$(PYTHON) tools/alone.py Makefile $(MAKE) --silent LOCKED=yes $@
else
$(BENCH_STAMP): $(STAMP) requirements/bench.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bench.txt
	@touch $@
endif

bench: $(BENCH_STAMP) ## Measure Trenova against the limits of this machine and the alternatives (other measurements: ARGS=--help)
	@$(if $(filter-out --quick,$(ARGS)),,$(BIN)/python benchmarks/start.py)
	@$(if $(filter-out --quick,$(ARGS)),,$(BIN)/python benchmarks/codec.py tests/data/collections/cloudtrail-invictus-stratus-attack.ndjson.gz)
	@$(BIN)/python -m benchmarks.bench $(ARGS)

chaos: $(STAMP) ## Kill, stop, cut off and starve every part under load, then prove that nothing was lost (ARGS="--minutes 20 --faults 200 --entries 1000000 --storage")
	@$(BIN)/python -m chaos.run $(ARGS)

lock: ## Update requirements/*.txt from pyproject.toml (needs uv)
	uv pip compile --universal --generate-hashes --python-version 3.11 --no-header --no-emit-index-url \
	  --extra dev --extra otel --group test pyproject.toml -o requirements/dev.txt
	uv pip compile --universal --generate-hashes --python-version 3.11 --no-header --no-emit-index-url \
	  --constraints requirements/dev.txt --extra dev --group bench pyproject.toml -o requirements/bench.txt
	uv pip compile --universal --generate-hashes --python-version 3.11 --no-header --no-emit-index-url \
	  --constraints requirements/dev.txt pyproject.toml -o requirements/run.txt
	uv pip compile --universal --generate-hashes --python-version 3.11 --no-header --no-emit-index-url \
	  --constraints requirements/dev.txt --extra otel pyproject.toml -o requirements/otel.txt
	uv pip compile --universal --generate-hashes --python-version 3.11 --no-header --no-emit-index-url \
	  --constraints requirements/dev.txt --group build -o requirements/build.txt

clean: ## Remove the virtual environment and caches (never the data folder)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
