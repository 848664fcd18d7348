# Two commands: `make demo` shows what cubesift finds, `make test` runs every check.
PYTHON ?= python3
BIN := .venv/bin

# The paper's comparison, some three hours of two cores; it goes on where it was stopped.
.PHONY: demo paper test test-long docs clean

.venv/demo: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet -c constraints.txt -e .
	touch $@

.venv/test: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet -c constraints.txt -e '.[test]'
	touch $@

demo: .venv/demo
	$(BIN)/cubesift make runs/demo --recipe recipes/demo.toml

paper: .venv/demo
	$(BIN)/cubesift make runs/paper --recipe recipes/paper.toml --stream
	$(BIN)/cubesift judge table1 runs/paper

test: .venv/test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n 2 --dist worksteal -m "not long"

test-long: .venv/test
	$(BIN)/pytest -n 2 --dist worksteal -m long

docs: .venv/test
	$(BIN)/python docs/command_line.py

clean:
	rm -rf .venv runs
