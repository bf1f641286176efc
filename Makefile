PYTHON ?= .venv/bin/python

.PHONY: setup check test docs package

setup:
	python3 -m venv .venv
	$(PYTHON) -m pip install -q -c constraints.txt -e ".[test,dev]"

check:
	$(PYTHON) -m ruff check
	$(PYTHON) -m ruff format --check
	$(PYTHON) -m mypy

test:
	$(PYTHON) -m pytest

docs:
	$(PYTHON) -m mkdocs build

package:
	$(PYTHON) -m build
	$(PYTHON) -m twine check --strict dist/*
