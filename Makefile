# make demo      the example agent server, on a PostgreSQL of its own; ARGS=--once for one request and an end
# make test      the tests
# make check     lint, types, architecture, coverage, licences
# make docs      the documentation, in docs/_build
# make bench     every claim about speed, against a limit measured in the same run; ARGS=runtime or ARGS=migrations for a part
#
# All of them need Python 3.11 or newer with venv, and nothing else. PYTHON=… chooses one.

.POSIX:
.SUFFIXES:
.PHONY: help demo test check docs bench clean

ARGS =
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
	@exec $(BIN)/python -m pytest $(ARGS)

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
	rm -rf .venv .venv.lock .roost docs/_build build dist .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache
