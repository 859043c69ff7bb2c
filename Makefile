# Run `make` for a list of what can be made.
BIN := .venv/bin
# More for pytest, as in: make test ARGS='-k wheel'
ARGS ?=

.NOTPARALLEL:
# The tests start thousands of processes, which else compile the project anew each.
unexport PYTHONDONTWRITEBYTECODE
# For make deb, as in: make deb SUITES='trixie sid'
SUITES ?=
# For make install and make uninstall.
DESTDIR ?=
PREFIX ?= /usr/local

.PHONY: help demo test lint stress bench docs pictures deb dist collection fleet install uninstall clean setup-demo setup-test

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: setup-demo ## Show socket activation at work, step by step
	@$(BIN)/activator demo

test: lint ## Check the style and the types, and run all tests
	@$(BIN)/python -m tests.boxes.roots
	$(BIN)/pytest -n 2 --dist loadgroup $(ARGS)
	@[ "$$(id -u)" = 0 ] || \
		echo "Not root: the tests of a booted systemd were skipped. To run them too: sudo make test"

lint: setup-test ## Check the style, the types and the arrows
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

# pytest ends with status 5 where there is no such test.
stress: setup-test ## Run the tests of the other systemds, and the long ones, under load
	@$(BIN)/python -m tests.boxes.roots
	$(BIN)/pytest -n 2 --dist loadgroup -m "stress and other_systemd" $(ARGS) || [ $$? = 5 ]
	$(BIN)/pytest -m "stress and not other_systemd" $(ARGS) || [ $$? = 5 ]

bench: setup-test ## Measure against peers, and print what keeps its bar
	@$(BIN)/python bench/all.py $(ARGS)

docs: setup-test ## Fill in the tables and pictures of the pages, build the site and the manual
	$(BIN)/python packaging/develop/reference.py docs/spec.md docs/rules.md docs/api.md
	$(BIN)/python packaging/develop/rooms.py
	$(BIN)/python bench/page.py
	PYTHONPATH=. $(BIN)/python packaging/site/build.py build/site
	cp build/site/man/* packaging/man
	@echo "Open build/site/html/index.html"

pictures: setup-test ## Draw the pictures of docs/ from real runs; as root also of a booted systemd
	$(BIN)/python -m tests.pictures $(ARGS)

deb: setup-test ## Build the Debian packages, in a clean bookworm; SUITES= names others
	@PYTHONPATH=. $(BIN)/python packaging/deb.py $(SUITES)

dist: setup-test ## Build the sdist, and from it the wheel, and have both checked
	$(BIN)/python -m tests.support.dist dist

fleet: setup-test ## Roll out to booted hosts of three systemds by Ansible, as make stress does
	$(BIN)/pytest -m "stress or not stress" tests/deploy/test_fleet_*.py tests/deploy/test_rollout_*.py $(ARGS)

collection: setup-test ## Build the Ansible collection into dist
	$(BIN)/ansible-galaxy collection build packaging/ansible --output-path dist --force

install: ## Install below DESTDIR/PREFIX: package, command, manual, completions, examples
	@DESTDIR='$(DESTDIR)' PREFIX='$(PREFIX)' packaging/install

uninstall: ## Remove what `make install` has put there
	@DESTDIR='$(DESTDIR)' PREFIX='$(PREFIX)' packaging/uninstall

clean: ## Remove what was made in the checkout, .venv too
	rm -rf .venv build dist *.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

setup-demo setup-test: setup-%:
	@packaging/develop/setup $*
