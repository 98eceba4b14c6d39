# make demo         the example agent server, on a PostgreSQL of its own; ARGS=--once for one request and an end
# make test         the tests
# make test-matrix  what depends on the server's version, on PostgreSQL 14 to 18; ARGS="--major 14" for one
# make torture      every fault at every message of a migration; SHARD=i/n for a part, SEED=s for another order
# make plants       bugs planted in the engine, each of which the torture must catch; ARGS=NAME for one
# make check        lint, types, architecture, coverage, licences
# make docs         the documentation, in docs/_build
# make bench        every claim about speed, against a limit measured in the same run; ARGS=PART for one, see its --help
#
# All of them need Python 3.11 or newer with venv, and nothing else. PYTHON=… chooses one.

.POSIX:
.SUFFIXES:
.PHONY: help demo test test-matrix torture plants check docs bench clean

ARGS =
SHARD = 1/1
SEED = 1
BIN = .venv/bin

help:
	@sed -n 's/^# \{0,1\}//p;/^$$/q' Makefile

# The newest Python that really runs: a name on the PATH may be a shim that leads nowhere. `make_venv` does nothing where .venv is
# complete and the pins are those it was built from.
VENV = @tools/with_python $(PYTHON) -- tools/make_venv.py

demo:
	$(VENV)
	@exec $(BIN)/roost demo $(ARGS)

test:
	$(VENV)
	@exec $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --max-worker-restart 0 --dist loadfile $(ARGS)

test-matrix:
	$(VENV)
	@exec $(BIN)/python -m tools.server_matrix $(ARGS)

torture:
	$(VENV)
	@exec $(BIN)/python -m tests.crash --shard $(SHARD) --seed $(SEED)

plants:
	$(VENV)
	@exec $(BIN)/python -m tests.crash.plants $(ARGS)

check:
	$(VENV)
	@exec $(BIN)/python tools/check.py

docs:
	$(VENV)
	@exec $(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build
	@echo "docs/_build/index.html"

bench:
	$(VENV)
	@exec $(BIN)/python -m benchmarks $(ARGS)

clean:
	rm -rf .venv .venv.lock .roost .torture docs/_build build dist .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache
