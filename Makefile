# Every target sets up what it needs by itself: Python 3.11 or newer and make are enough on a bare machine.
# `make` lists the targets.

PYTHON ?= python3
# Storms of `make faults`, of 320 faults each.
ROUNDS ?= 1

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# The environment is always the one in the tree, also when another one is active.
unexport VIRTUAL_ENV
# Tests start a hundred Pythons: without .pyc files each would compile all that it loads.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test lint fmt openapi bench faults fuzz binaries system clean

help: ## list the targets
	@echo "make TARGET, and TARGET is one of:"
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 12

demo: $(READY) ## start everything and tell the story of one exposure; ONCE=1: stop then; PORT=18080: the api there
	@$(BIN)/wharfinger dev --demo $(if $(filter-out 0,$(ONCE)),--once) $(if $(PORT),--port $(PORT))

# In the order of the folders: the long files stand early, so that no process waits for the others at the end. One
# process more than the two cores that it is made for: many tests wait for a server to start or for a time to be over.
test: $(READY) binaries system ## run all tests, on real PostgreSQL and a real kube-apiserver
	@echo "==> Tests: three processes, a file at a time"
	@$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder --durations 10 --durations-min 1

lint: $(READY) ## check style, types and the arrows between the rooms
	@echo "==> Lint"
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo --no-cache

fmt: $(READY) ## put the code into shape
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

openapi: $(READY) ## write openapi.yaml from the code
	@$(BIN)/python -c 'from service.api.openapi import document; print(document(), end="")' > openapi.yaml.new
	@mv openapi.yaml.new openapi.yaml
	@echo "==> openapi.yaml is what the code says"

bench: $(READY) ## list the benches; BENCH=name: run that one
	@$(BIN)/python -m bench $(BENCH)

faults: $(READY) binaries ## kill, cut, freeze and delay everything at every moment that matters; ROUNDS=n: n storms
	@FAULT_ROUNDS=$(ROUNDS) $(BIN)/python -m pytest tests/e2e -m faults -s --timeout 3600

fuzz: $(READY) ## every generated test with thousands of examples, requests to the api among them
	@HYPOTHESIS_PROFILE=long $(BIN)/python -m pytest tests/fuzz tests/unit tests/integration -m hypothesis \
	  --hypothesis-profile long -n 2 --timeout 3600 --durations 10

binaries: $(READY)
	@$(BIN)/python -m devcluster build

system: ## install nft and ip, which the tests of real traffic need; says so where it cannot
	@devcluster/system.sh

clean: ## remove the environment, the development data and the caches of this tree
	rm -rf $(VENV) .dev .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache dist build-report
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The environment. The stamp is written last, so a set-up that was stopped half way is done again. The first uv is the
# one of the lock, so that nothing is decided by the day of the set-up.
$(READY): uv.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Python 3.11 or newer is needed and '$(PYTHON)' is not: $$($(PYTHON) --version 2>&1)." >&2; \
	  echo "Install one and name it: make PYTHON=python3.11 TARGET" >&2; exit 1; }
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "==> Making a virtual environment in $(VENV)"; \
	  $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	    echo "'$(PYTHON)' cannot make virtual environments: its modules venv and ensurepip are packaged apart." >&2; \
	    echo "Install them (Debian, Ubuntu: apt install python3-venv) and try again." >&2; exit 1; }; \
	  $(PYTHON) -m venv --clear $(VENV); }
	@test -x $(BIN)/uv || command -v uv >/dev/null || { \
	  version=$$(sed -n '/^name = "uv"$$/{n;s/version = "\(.*\)"/\1/p;}' uv.lock); \
	  echo "==> Installing uv $$version into $(VENV)"; \
	  $(BIN)/python -m ensurepip --upgrade >/dev/null && \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check "uv==$$version"; }
	@echo "==> Installing what uv.lock names"
	@uv=$(BIN)/uv; test -x $$uv || uv=uv; $$uv sync --frozen --quiet --python $(BIN)/python
	@touch $@
