"""Which package may use which: the arrows of the local activator point one way."""

import ast
from pathlib import Path

import pytest

from tests.support.services import ROOT

LOCAL = ROOT / "activator" / "local"
# What stands beside the packages and may be used by all of them.
LEAVES = {"context", "events", "limits"}
ALLOWED = {
    "units": set[str](),
    "conditions": {"units"},
    "services": {"units", "conditions"},
    "sockets": {"units", "conditions", "services"},
}


def imported(path: Path) -> set[str]:
    """Return the names below activator.local that a file imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ImportFrom) or node.module is None:
            continue
        parts = node.module.split(".")
        if parts[:2] != ["activator", "local"]:
            continue
        found |= {parts[2]} if len(parts) > 2 else {alias.name for alias in node.names}
    return found


@pytest.mark.parametrize("package", sorted(ALLOWED))
def test_local_packages(package: str) -> None:
    """What a package of the local activator uses is itself, what is below, and the leaves."""
    for path in sorted((LOCAL / package).glob("*.py")):
        assert imported(path) <= {package, *ALLOWED[package], *LEAVES}, path.name


def test_every_file_is_sorted_in() -> None:
    """There is no package that this test does not know."""
    packages = {path.parent.name for path in LOCAL.glob("*/__init__.py")}
    assert packages == set(ALLOWED)
