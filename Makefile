# Run `make` for a list of what can be made.
BIN := .venv/bin
# More for pytest, as in: make test ARGS='-k wheel'
ARGS ?=

.NOTPARALLEL:
# For make deb, as in: make deb SUITES='trixie sid'
SUITES ?=
# For make install.
DESTDIR ?=
PREFIX ?= /usr/local

.PHONY: help demo test lint stress bench docs deb install clean setup-demo setup-test

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: setup-demo ## Show socket activation at work, step by step
	@$(BIN)/activator demo

test: lint ## Check the style and the types, and run all tests
	@$(BIN)/python -m tests.boxes.roots
	$(BIN)/pytest -n 2 --dist loadgroup $(ARGS)
	@[ "$$(id -u)" = 0 ] || \
		echo "Not root: the tests of a booted systemd were skipped. To run them too: sudo make test"

lint: setup-test ## Check the style and the types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

# pytest ends with status 5 where there is no such test.
stress: setup-test ## Run the long tests under load
	@$(BIN)/python -m tests.boxes.roots
	$(BIN)/pytest -m stress $(ARGS) || [ $$? = 5 ]

bench: setup-test ## Measure against peers, and print what keeps its bar
	@$(BIN)/python bench/all.py $(ARGS)

docs: setup-demo ## Fill in the tables of the reference
	$(BIN)/python -m activator.reference docs/spec.md docs/rules.md

deb: setup-test ## Build the Debian packages, in a clean bookworm; SUITES= names others
	@PYTHONPATH=. $(BIN)/python packaging/deb.py $(SUITES)

install: ## Install below DESTDIR/PREFIX: package, command, manual, completions, examples
	@DESTDIR='$(DESTDIR)' PREFIX='$(PREFIX)' packaging/install

clean: ## Remove what was made in the checkout, .venv too
	rm -rf .venv build dist *.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

setup-demo setup-test: setup-%:
	@packaging/develop/setup $*
