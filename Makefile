# From a fresh clone: `make demo` or `make test`. Everything lands in this folder, in virtual
# environments that scripts/bootstrap.sh makes. Paths are relative, so that the clone may lie
# in a folder with spaces in its name.

VENV ?= .venv
OLDEST_TVM := 0.26.0
OLDEST_VENV ?= .venv-0.26
JOBS ?= 2
# TVM as pip installs it for others, with its newest apache-tvm-ffi: see docs/decisions/0001.
BARE_VENV := .venv-bare
BARE_TVM := 0.27.0.post1
# Bundlers and TypeScript, for tests alone.
NPM := .npm
DEMO_TIME ?= 60s
DEMO_OUT ?= demo-campaign
# One more than the processors: many tests wait for a process to start or to end.
PYTEST_ARGS ?= -n $(shell expr $$(nproc 2>/dev/null || echo 2) + 1) --dist worksteal

# Test modules are compiled once, not by each of six pytest workers.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test lint test-newest test-oldest install install-oldest bare browser npm clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

demo: install ## tune a small model and run it; fuzz TVM for a minute, run one reproducer
	@bash scripts/demo.sh "$(VENV)" "$(DEMO_OUT)" "$(DEMO_TIME)" "$(JOBS)"

test: lint test-newest test-oldest ## everything: lint, the test suite, and on the oldest TVM what depends on it

lint: install ## ruff, mypy, and what may import what
	"$(VENV)/bin/ruff" check .
	"$(VENV)/bin/mypy"
	"$(VENV)/bin/lint-imports" --no-logo --no-cache

test-newest: install install-oldest bare browser npm ## the test suite on the newest supported TVM
	"$(VENV)/bin/python" -m pytest $(PYTEST_ARGS)

test-oldest: install-oldest bare browser ## what depends on TVM, on the oldest supported TVM
	"$(OLDEST_VENV)/bin/python" -m pytest -m "not once" $(PYTEST_ARGS)

install: ## make or update the virtual environment (.venv)
	@bash scripts/bootstrap.sh "$(VENV)"

install-oldest:
	@bash scripts/bootstrap.sh "$(OLDEST_VENV)" "apache-tvm==$(OLDEST_TVM)"

bare: install # where reproducers are run in the tests, those of the oldest TVM as well
	@bash scripts/bare_environment.sh "$(VENV)/bin/python" "$(BARE_VENV)" "apache-tvm==$(BARE_TVM)" numpy

browser: # what tests in browsers need: Debian's chromium and Firefox, and a Vulkan driver
	@bash scripts/install_browser.sh

npm: install # what the tests build and type-check users' programs with
	@bash scripts/npm_environment.sh "$(VENV)/bin/python" "$(NPM)"

clean: ## remove the virtual environments, caches and what the demo made
	rm -rf .venv .venv-0.26 $(BARE_VENV) $(NPM) build dist tzer.egg-info "$(DEMO_OUT)" demo-finding.py
	rm -rf demo-bert.onnx demo-bundle demo-records.sqlite3*
	rm -rf .pytest_cache .hypothesis .mypy_cache .ruff_cache .import_linter_cache
	rm -f harness/coverage/_native*.so
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
