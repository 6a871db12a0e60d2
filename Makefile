# The one interface for developers; `make help` lists it.
.DEFAULT_GOAL := help
.PHONY: help run test test-quick check fmt shell lock soak bench clean

VENV := .venv/bin
LOCK := $(VENV)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --python-version 3.11 pyproject.toml

help: ## list what there is to make
	@awk -F ': *.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

run: ## set up all that is missing and serve the site on this machine (PORT=8000)
	@tools/bootstrap.sh run static
	@exec $(VENV)/python manage.py run --with-parent $$PPID

test: ## set up all that is missing and run every check and test
	@tools/bootstrap.sh dev
	@exec $(VENV)/python -m tools.test

test-quick: ## the checks and tests that need no database server and no browser
	@tools/bootstrap.sh dev
	@exec $(VENV)/python -m tools.test --quick

check: ## the static checks alone
	@tools/bootstrap.sh dev
	@exec $(VENV)/python -m tools.test --check

fmt: ## format code and templates, and mend what ruff can mend
	@tools/bootstrap.sh dev
	@$(VENV)/ruff check --fix-only --quiet .
	@$(VENV)/ruff format .
	@find templates -name '*.html' -exec $(VENV)/djade --target-version 5.2 {} + || true # it fails when it changes something

shell: ## a Python shell with the site loaded
	@tools/bootstrap.sh run
	@exec $(VENV)/python manage.py shell

lock: ## compile requirements/*.txt from pyproject.toml again
	@tools/bootstrap.sh dev
	@$(LOCK) -o requirements/run.txt
	@$(LOCK) --group dev -o requirements/dev.txt

soak: ## the long forms: 20 kills at each fail point, 100,000 random steps of the ledger (about an hour)
	@tools/bootstrap.sh dev
	@exec $(VENV)/python -m tools.test --soak

bench: ## measure what a chunk costs, beside doing without us (≤ 2 minutes)
	@tools/bootstrap.sh dev
	@exec $(VENV)/python -m bench

clean: ## delete the virtual environments and what the tools left; var/ keeps its data
	@rm -rf .venv .venv-* var/static var/static.stamp var/test-logs var/bootstrap.log
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
