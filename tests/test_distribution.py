"""The distribution: its name wherever an install is told of, and its extras."""

import re
import tomllib
from pathlib import Path

import pytest

from activator.common.extras import DEBIAN, DISTRIBUTION, installing

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def _is_told(path: Path) -> bool:
    """Tell whether it is a file of ours, and none that Python writes while tests are collected."""
    return "__pycache__" not in path.parts and path.is_file()


# What tells people of an install: messages, pages, and scripts.
TELLING = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *(
        path
        for path in sorted((ROOT / "activator").rglob("*"))
        if path.suffix in {".py", ".tsv", ".toml"}
    ),
    *(path for path in sorted((ROOT / "packaging").rglob("*")) if _is_told(path)),
]
EXTRAS = "|".join((*DEBIAN, "dev"))


def test_the_name_is_ours() -> None:
    """What is built has the name that messages say, since `activator` is somebody else's."""
    assert DISTRIBUTION == PROJECT["name"] == "systemd-activator"


def test_each_extra_has_its_packages_in_debian() -> None:
    """Messages and packages of daemons know every extra, but for what developers need."""
    assert PROJECT["optional-dependencies"].keys() - {"dev"} == DEBIAN.keys()
    for extra, (package, *_) in DEBIAN.items():
        hint = f"pip install 'systemd-activator[{extra}]', or apt install {package}"
        assert hint == installing(extra)


@pytest.mark.parametrize("path", TELLING, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_install_of_somebody_else(path: Path) -> None:
    """No file tells to install what is called `activator` on the package index."""
    # A manual page has a backslash before each hyphen.
    text = path.read_text(encoding="utf-8", errors="replace").replace(r"\-", "-")
    assert [] == re.findall(rf".*(?<!systemd-)\bactivator\[(?:{EXTRAS})\].*", text)
    installs = r".*\b(?:pip|pipx|uv tool|uv pip) (?:install|add) (?:-\S+ )*['\"]?activator\b.*"
    assert [] == re.findall(installs, text)
