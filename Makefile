# Everything happens in this folder: a virtual environment in .venv, installed from requirements.lock.

PYTHON ?= python3
ARGS ?=
BIN := .venv/bin
STAMP := .venv/.stamp
PIP_INSTALL := $(BIN)/python -m pip install --quiet --no-cache-dir --disable-pip-version-check

# Pyright looks for a newer version of itself, and for Node in the home folder, unless told not to.
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1
export PYRIGHT_PYTHON_CACHE_DIR := $(CURDIR)/.venv/cache

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test check mutants bench lock clean

help: ## list these targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile

demo: $(STAMP) ## show the product on made-up customers, e.g. make demo ARGS="--customers 20 --years 2"
	@$(BIN)/sealbook demo $(ARGS)

test: $(STAMP) ## run the tests, e.g. make test ARGS=tests/domain; all of them ask full coverage of the rules
	@$(BIN)/python -m pytest --cov --cov-report= $(ARGS)
	@$(if $(ARGS),,$(BIN)/python -m coverage report --include='domain/*,projections/*' \
		--fail-under=100 --show-missing --skip-covered)

check: $(STAMP) ## check format, style and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python

mutants: $(STAMP) ## change the rules in many ways and count what tests/domain notices, e.g. make mutants ARGS="*.calendar.*"
	rm -rf build/mutants
	mkdir -p build/mutants
	cp -RL sealbook tests docs pyproject.toml build/mutants
	cd build/mutants && $(abspath $(BIN))/mutmut run $(foreach each,$(ARGS),'$(each)')
	@$(BIN)/python .ci/mutants.py build/mutants $(abspath $(BIN))/mutmut

bench: $(STAMP) ## measure, e.g. make bench ARGS=--help
	@$(BIN)/python -m benchmarks $(ARGS)

lock: ## renew requirements.lock from pyproject.toml; needs uv
	uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --all-extras --no-header \
		--output-file requirements.lock pyproject.toml

clean: ## remove all that make made; ledgers stay
	rm -rf .venv build dist *.egg-info verify/build verify/*.egg-info .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name .git -prune -o -name sealbook-data -prune -o -type d -name __pycache__ -prune -exec rm -rf {} +

# An environment that was not finished has no stamp, and is made anew. Where uv fails, pip may know a mirror.
$(STAMP): requirements.lock pyproject.toml verify/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo 'Sealbook needs Python 3.11 or later: name one, e.g. make PYTHON=python3.12' >&2; exit 1; }
	@if command -v uv >/dev/null \
		&& $(PYTHON) -m venv --clear --without-pip .venv \
		&& uv pip install --quiet --no-cache --python $(BIN)/python --require-hashes -r requirements.lock \
		&& uv pip install --quiet --no-cache --python $(BIN)/python --no-deps -e . -e ./verify; then :; \
	else \
		$(PYTHON) -c 'import venv, ensurepip' || { \
			echo 'Python came without venv: install it (Debian: apt install python3-venv) or uv' >&2; exit 1; }; \
		echo 'Installing into .venv by pip, which takes about a minute.'; \
		$(PYTHON) -m venv --clear .venv \
		&& $(PIP_INSTALL) --require-hashes -r requirements.lock \
		&& $(PIP_INSTALL) --no-deps -e . -e ./verify; \
	fi
	@touch $@
