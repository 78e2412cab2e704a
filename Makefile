# Commands for working on hutong. Each installs what it needs by itself, into this checkout.
# `make` lists them.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
VENDOR := fleet_server/web/static/vendor
QUICK := not debian and not long and not soak
SIDE_BY_SIDE := -n 3 --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help run test test-all soak bench check lint types layers fix lock clean

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(VENV)/city $(VENDOR)/ready ## Bring the demonstration city up; Ctrl-C stops it, its data stays
	@$(BIN)/hutong-sim city --dir var/city $(ARGS)

test: $(VENV)/dev $(VENDOR)/ready ## Test with Python alone, in under 5 minutes
	$(BIN)/pytest -m '$(QUICK)' $(SIDE_BY_SIDE) --hypothesis-profile quick $(ARGS)

test-all: $(VENV)/dev $(VENDOR)/ready ## Add Debian's peers (mosquitto, mbpoll, chromium), longer faults, more examples
	$(BIN)/python -m tests.debian
	$(BIN)/pytest -m '$(QUICK)' $(SIDE_BY_SIDE) $(ARGS)
	$(BIN)/pytest -m '(debian or long) and not soak' $(ARGS)

soak: $(VENV)/dev $(VENDOR)/ready ## Load and faults for hours (HUTONG_SOAK_HOURS, 4 by default)
	$(BIN)/pytest -m soak --timeout 0 -s $(ARGS)

bench: $(VENV)/dev $(VENDOR)/ready ## Measure beside peers; prints a table, writes build/bench.json
	$(BIN)/python -m tests.benchmarks $(ARGS)

check: lint types layers test ## All that CI checks before the long tests

lint: $(VENV)/dev ## Format and lint, changing nothing
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/dev ## Strict types
	$(BIN)/mypy

layers: $(VENV)/dev ## Who may import whom
	$(BIN)/lint-imports --no-logo

fix: $(VENV)/dev ## Format, and mend what the linter can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: $(VENV)/dev ## Resolve the dependencies of setup.cfg anew into locks/
	@for extra in server city node dev; do \
	  $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	    --allow-unsafe --no-emit-package hutong --extra $$extra setup.cfg -o locks/$$extra.txt --upgrade; done
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  setup.cfg -o locks/base.txt --upgrade

clean: ## Remove everything that was built or installed here; var/ (the city's data) stays
	rm -rf $(VENV) build $(VENDOR) fleet_server/web/node_modules *.egg-info

# Installed from the locked hashes. A later extra only adds to an earlier one: all locks are one resolution.
$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "hutong needs Python 3.11 or later; name one: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "Python's venv is missing; on Debian: apt-get install python3-venv"; rm -rf $(VENV); exit 1; }

$(VENV)/city $(VENV)/dev: $(VENV)/%: locks/%.txt setup.cfg | $(VENV)/bin/python
	@echo "Installing hutong's $* dependencies into $(VENV) ..."
	@$(PIP) --require-hashes -r locks/$*.txt
	@said=$$($(PIP) --no-deps --no-build-isolation -e . 2>&1) || { echo "$$said"; exit 1; }
	@touch $@

$(VENDOR)/ready: fleet_server/web/package-lock.json fleet_server/web/assets.py | $(VENV)/bin/python
	@command -v npm >/dev/null || $(PIP) --require-hashes -r locks/node.txt
	@$(BIN)/python -m fleet_server.web.assets
	@touch $@
