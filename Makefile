# Two commands: `make demo` shows what cubesift finds, `make test` runs every check.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test test-long docs clean

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
