# make run: the server. make test: all checks and tests. Both set themselves up.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test check format bench bench-lipsync manifests

run: .venv/run.stamp
	@exec $(BIN)/avatar-serve serve --config configs/local.yaml

# Two processes, each with a Ray cluster of its own (2 GB): where one waits, the other has the cores.
test: .venv/dev.stamp check
	$(BIN)/python tests/browser_setup.py
	$(BIN)/python tests/redis_setup.py
	$(BIN)/python tests/rhubarb_setup.py
	$(BIN)/python -m pytest -n 2 --dist loadfile

check: .venv/dev.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_architecture.py

format: .venv/dev.stamp
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/dev.stamp
	$(BIN)/python -m tests.bench

# Every engine that is installed, side by side, on one thread, as in a replica; ARGS="--engine align --harm clean" for less.
bench-lipsync: .venv/dev.stamp
	$(BIN)/python tests/rhubarb_setup.py
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.bench.mouths $(ARGS)

# k8s/rayservice.yaml repeats configs/cluster.yaml: never edit it by hand.
manifests: .venv/dev.stamp
	$(BIN)/python k8s/generate.py

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv

.venv/run.stamp: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

.venv/dev.stamp: .venv/run.stamp
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@
