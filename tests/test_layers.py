"""The rooms and their arrows: the contracts hold, know every room, and are drawn as they are."""

import ast
import re
import runpy
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import code_lines
from tests.support.services import ROOT

PACKAGE = ROOT / "activator"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CONTRACTS: list[dict[str, Any]] = PROJECT["tool"]["importlinter"]["contracts"]
# Files that stand at the top since users import them, run them, or read their version.
PUBLIC = {"__init__", "__main__", "errors", "fdstore", "notify", "version"}
# Rooms whose files run inside a service, and where each module that costs a start may be loaded.
IN_A_SERVICE = ("common", "errors.py", "fdstore.py", "notify.py", "runtime", "version.py")
_LOOPS = ("runtime/serving/loop/", "runtime/serving/web/")
AT_THE_TOP: dict[str, tuple[str, ...]] = {
    "asyncio": (*_LOOPS, "runtime/serving/contexts.py"),
    "logging": (*_LOOPS, "runtime/log_handler.py"),
    "typing": ("runtime/serving/web/",),
}


@pytest.fixture(scope="module")
def answers() -> dict[str, str]:
    """Return what import-linter says of each contract, by its name."""
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [lint, "--no-cache"], cwd=ROOT, check=False, capture_output=True, text=True
    )
    return dict(re.findall(r"^(.+) (KEPT|BROKEN)(?: \(.*\))?$", done.stdout, re.MULTILINE))


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract["id"])
def test_contracts(contract: dict[str, Any], answers: dict[str, str]) -> None:
    """Each contract is kept; run lint-imports to see what breaks it."""
    assert "KEPT" == answers[contract["name"]]


def test_what_stands_at_the_top_is_public() -> None:
    """A file beside the rooms is one that users import."""
    assert {path.stem for path in PACKAGE.glob("*.py")} == PUBLIC


def test_every_room_is_in_a_contract() -> None:
    """There is no package that the layers do not know."""
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    (layers,) = (each["layers"] for each in CONTRACTS if each["id"] == "rooms")
    known = {name for layer in layers for name in re.findall(r"\w+", layer)}
    assert rooms | PUBLIC - {"__init__"} == known


def test_every_package_is_shipped() -> None:
    """What setuptools is told to pack are all packages, and nothing else."""
    packages = {
        ".".join(path.parent.relative_to(ROOT).parts) for path in PACKAGE.rglob("__init__.py")
    }
    named = PROJECT["tool"]["setuptools"]
    assert packages | set(named["package-dir"]) == set(named["packages"])


@pytest.mark.parametrize("package", sorted(path.parent for path in PACKAGE.glob("*/__init__.py")))
def test_rooms_say_what_they_are(package: Path) -> None:
    """The docstring of a room tells it, and the page of the architecture has a row for it."""
    text = ast.get_docstring(ast.parse((package / "__init__.py").read_text(encoding="utf-8")))
    assert text
    assert f"| `{package.name}/` |" in (ROOT / "docs/architecture.md").read_text(encoding="utf-8")


def service_files() -> Iterator[Path]:
    """Yield the files that may run inside a service."""
    for name in IN_A_SERVICE:
        path = PACKAGE / name
        yield from sorted(path.rglob("*.py")) if path.is_dir() else [path]


def loaded_at_once(tree: ast.Module) -> Iterator[str]:
    """Yield what a file imports as soon as it is imported itself."""
    for node in tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0]


@pytest.mark.parametrize("module", sorted(AT_THE_TOP))
def test_services_load_little(module: str) -> None:
    """What costs a start is loaded where it is needed, and for types by nobody that runs."""
    for path in service_files():
        inner = path.relative_to(PACKAGE).as_posix()
        if not inner.startswith(AT_THE_TOP[module]):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            assert module not in set(loaded_at_once(tree)), path


def test_the_picture_is_current() -> None:
    """The page shows the contracts of today."""
    drawing = runpy.run_path(str(ROOT / "packaging/develop/rooms.py"))
    page = drawing["PAGE"].read_text(encoding="utf-8")
    assert drawing["fill"](page) == page, "run: make docs"
    assert all(f"<!-- picture: {each['id']} -->" in page for each in CONTRACTS)


def test_lines_of_code() -> None:
    """What counts is code: no docstring, no comment, nothing empty."""
    source = (
        b'"""One\ntwo."""\n\n# a comment\ndef f(\n    a,\n):\n'
        b'    """Three."""\n    return """x\n\ny"""\n'
    )
    assert 6 == code_lines.code_lines(source)
    rooms = code_lines.rooms(PACKAGE)
    assert rooms.total() == sum(
        code_lines.code_lines(path.read_bytes()) for path in PACKAGE.rglob("*.py")
    )
    assert rooms["runtime"] > rooms["."] > 0


def test_no_file_is_too_long() -> None:
    """Each file of the package is short enough to be read at once."""
    assert [] == code_lines.too_long(PACKAGE)


def test_pre_commit_runs_what_lint_runs() -> None:
    """The hooks call the same programs as the target of the Makefile, in its order."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    recipe = makefile.partition("\nlint: ")[2].partition("\n\n")[0]
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    linted = re.findall(r"\t\$\(BIN\)/(.+)", recipe)
    assert linted
    assert linted == re.findall(r"entry: \.venv/bin/(.+)", hooks)
