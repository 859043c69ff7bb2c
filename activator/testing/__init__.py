"""The pytest plugin: activate specs, units, commands and handlers in tests, on free ports.

pytest loads this module by its entry point, in every project beside which `activator` is
installed, so nothing is imported here before a test asks for a fixture. See docs/testing.md.
"""

import pytest

TYPE_CHECKING = False  # type checkers take it for true; importing typing would cost too much
if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from typing import Any

    from activator.testing.activation import Activate, Activated

__all__ = ["Activate", "Activated", "activate"]


def __getattr__(name: str) -> object:
    """Load the types when they are first used (PEP 562)."""
    if name not in ("Activate", "Activated"):
        raise AttributeError(f"module 'activator.testing' has no attribute {name!r}")
    from activator.testing import activation  # noqa: PLC0415

    return getattr(activation, name)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item: pytest.Item) -> "Generator[None, Any]":
    """Say in the error of a test that a service has failed at its start, and with which words."""
    outcome = yield
    if outcome.excinfo is not None:
        start = getattr(item, "funcargs", {}).get("activate")
        if text := getattr(start, "failure", ""):
            outcome.excinfo[1].add_note(text)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> "Generator[None, Any]":
    """Show what has happened in what a failed test has activated."""
    outcome = yield
    report = outcome.get_result()
    if report.when == "call" and report.failed:
        start = getattr(item, "funcargs", {}).get("activate")
        if text := getattr(start, "transcript", ""):
            report.sections.append(("activator run", text))


@pytest.fixture
def activate() -> "Iterator[Activate]":
    """Return what runs specs, units, a command or a handler as `activator run` does.

    All that was activated is stopped after the test, and its files are removed.
    """
    from activator.testing.activation import Activate  # noqa: PLC0415

    with Activate() as start:
        yield start
