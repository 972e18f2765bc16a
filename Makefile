# make demo    a simulated patient -> forecast -> picture and report
# make serve   the server with a demo clinic, at http://127.0.0.1:8000
# make check   lint and the quick tests, for every save
# make test    the whole test suite with coverage
# make mutants how many faults the tests notice; CHANGED=1: faults in the lines that you changed (docs/testing.md)
# Both set up everything they need in .venv; a rerun installs nothing.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# uv is several times faster; plain pip does the same where uv cannot be had. A lock is whole, so nothing is resolved anew.
install = if test -x $(BIN)/uv; \
	then $(BIN)/uv pip install --python $(BIN)/python --quiet $(if $(PIP_FIND_LINKS),--find-links $(PIP_FIND_LINKS)) $(1); \
	else $(PIP) $(1); fi
TORCH := torch==2.13.0

# The processes are the parallelism: more threads in each would only wait for each other.
PYTEST := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

.PHONY: demo test test-long check mutants serve bench lint lock clean
.DEFAULT_GOAL := demo

.venv/base.stamp: requirements/base.lock pyproject.toml
	$(PYTHON) -m venv .venv
	-$(PIP) uv
	$(call install,--no-deps --require-hashes -r requirements/base.lock)
	$(call install,--no-deps --editable .)
	touch $@

.venv/dev.stamp: .venv/base.stamp requirements/dev.lock
	$(call install,--no-deps --require-hashes -r requirements/dev.lock)
	$(call install,$(TORCH))
	touch $@

.venv/bench.stamp: .venv/dev.stamp requirements/bench.lock
	$(call install,--no-deps --require-hashes -r requirements/bench.lock)
	touch $@

demo: .venv/base.stamp
	$(BIN)/novamind demo --out demo

serve: .venv/base.stamp
	$(BIN)/novamind serve

test: .venv/dev.stamp
	$(PYTEST) --cov --cov-report=term

# For the night: new examples of each property, more of them, and the tests in random order.
test-long: .venv/dev.stamp
	NOVAMIND_TEST_PROFILE=long NOVAMIND_TEST_PATIENCE=50 $(PYTEST) --random-order

check: lint
	$(PYTEST) --quick --quiet

SEED ?= 0
mutants: .venv/dev.stamp
	$(BIN)/python benchmarks/mutants.py --seed $(SEED) $(if $(CHANGED),--changed $(BASE))

lint: .venv/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/bench.stamp
	$(BIN)/python benchmarks/forecast.py
	$(BIN)/python benchmarks/pharmacogenomics.py
	$(BIN)/python benchmarks/neurochemistry.py

lock: .venv/base.stamp
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-emit-index-url --no-annotate --generate-hashes pyproject.toml -o requirements/base.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-emit-index-url --no-annotate --generate-hashes pyproject.toml --group dev -c requirements/base.lock -o requirements/dev.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-emit-index-url --no-annotate --generate-hashes pyproject.toml --group dev --group bench -c requirements/dev.lock -o requirements/bench.lock

clean:
	rm -rf .venv demo runs .coverage .hypothesis .mypy_cache .ruff_cache .pytest_cache
