# Everything a newcomer needs: `make demo` and `make test`. Python 3.11 or newer and make are enough.

PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 8000
MARKET_PORT ?= 8100
WORKERS ?= 2
PYTEST_ARGS ?=
BENCH_ARGS ?= --quick
DEMO_ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
PACKAGES := -e sdk -e core -e plugins/crm -e marketplace
PROJECTS := sdk/pyproject.toml core/pyproject.toml plugins/crm/pyproject.toml marketplace/pyproject.toml
BUILT := core/hatch_build.py $(wildcard core/frontend/*) marketplace/hatch_build.py \
	$(wildcard core/src/karvan/translations/*/LC_MESSAGES/*.po) \
	$(wildcard marketplace/src/karvan_marketplace/translations/*/LC_MESSAGES/*.po)
# what the demo installs from its own marketplace, as any workspace would
STARTER := telephony price_book lead_scoring onec
OFFERED := $(STARTER) sample
OFFERED_FILES := $(foreach p,$(OFFERED),$(shell find plugins/$(p) \( -name tests -o -name __pycache__ \) -prune -o -type f -print 2>/dev/null))
MARKET := .market
# the stamps live in the environment, so that they vanish with it
READY := $(VENV)/.run-stamp
READY_TO_TEST := $(VENV)/.test-stamp

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1

.PHONY: help demo test lint test-slow test-long bench clean
.DEFAULT_GOAL := help

help:
	@echo "make demo       a workspace with records in four languages, at http://$(HOST):$(PORT),"
	@echo "                and the marketplace it was set up from, at http://$(HOST):$(MARKET_PORT)"
	@echo "make test       lint, types and the fast tests"
	@echo "make test-slow  the tests marked slow      make test-long  soak tests and a million rows"
	@echo "make lint       ruff and mypy              make bench      ratios against plain SQL"
	@echo "make clean      remove all that was made here"
	@echo
	@echo "PYTHON=python3.12 chooses the interpreter; KARVAN_FRONTEND=skip does without npm."

demo: $(READY) $(MARKET)/.stamp
	@$(BIN)/karvan-marketplace serve --wheels $(MARKET) --host $(HOST) --port $(MARKET_PORT) & market=$$!; \
	trap 'kill $$market 2>/dev/null' EXIT; trap 'exit 130' INT; trap 'exit 143' TERM; \
	$(BIN)/karvan demo --host $(HOST) --port $(PORT) --index http://$(HOST):$(MARKET_PORT) \
		--install bundle:starter $(DEMO_ARGS)

$(MARKET)/.stamp: $(OFFERED_FILES) $(wildcard deploy/bundles/*.toml) | $(READY)
	@rm -rf $(MARKET) && mkdir -p $(MARKET)/bundles
	$(BIN)/python -m pip wheel --quiet --no-deps -c constraints/run.txt -w $(MARKET) $(addprefix plugins/,$(OFFERED))
	@cp deploy/bundles/*.toml $(MARKET)/bundles/
	@touch $@

test: lint
	$(BIN)/python -m pytest -m "not slow and not long" -n $(WORKERS) $(PYTEST_ARGS)

test-slow: $(READY_TO_TEST)
	$(call run_tier,slow)

test-long: $(READY_TO_TEST)
	$(call run_tier,long)

lint: $(READY_TO_TEST)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy sdk/src core/src marketplace/src $(wildcard plugins/*/src)

bench: $(READY_TO_TEST)
	$(BIN)/python bench/run.py $(BENCH_ARGS)
	$(BIN)/python bench/plugins.py --quick

clean:
	rm -rf $(VENV) .demo $(MARKET) .mypy_cache .pytest_cache .ruff_cache .hypothesis .schemathesis
	rm -rf core/src/karvan/web/static/vendor
	find sdk core marketplace plugins tests bench -name __pycache__ -type d -prune -exec rm -rf {} +
	find core/src marketplace/src -name '*.mo' -delete

# pytest answers 5 when a tier holds no test: fine on a desk, a fault where everything must run
define run_tier
	@$(BIN)/python -m pytest -m $(1) $(PYTEST_ARGS); code=$$?; \
	if [ $$code -eq 5 ] && [ "$$KARVAN_CI" != 1 ]; then \
		echo "No test is marked $(1) here."; exit 0; \
	fi; exit $$code
endef

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Karvan needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>&1)."; \
		echo "Choose another one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "'$(PYTHON)' has no venv module. On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(READY): $(PROJECTS) $(BUILT) constraints/run.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet -c constraints/run.txt $(PACKAGES)
	@touch $@

$(READY_TO_TEST): $(READY) constraints/dev.txt constraints/tools.txt
	$(BIN)/python -m pip install --quiet -c constraints/run.txt -c constraints/dev.txt -r constraints/tools.txt
	@touch $@
