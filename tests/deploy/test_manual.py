"""The manual pages: what has one, that nothing is lost on the way, and that man(1) shows it."""

import os
import re
import runpy
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from activator.check import registry
from activator.cli import COMMANDS
from activator.generate import hardening
from activator.generate.specfile.intents import intents
from tests.support.tree import ROOT

manual = SimpleNamespace(**runpy.run_path(str(ROOT / "packaging/man/pages.py")))
PAGES: dict[str, str] = dict(manual.pages())


def test_everything_has_a_page() -> None:
    """The command, each of its commands, and each page that is for the terminal too."""
    topics = ("needs", "runtime", "descriptors", "local", "rules", "testing")
    expected = {"activator.1", "activator.toml.5", *(f"activator-{name}.1" for name in COMMANDS)}
    assert expected | {f"activator-{topic}.7" for topic in topics} == PAGES.keys()
    listed = (ROOT / "docs/packages.md").read_text()
    names = [page.rpartition(".")[0] for page in manual.DOCUMENTS]
    assert [] == [name for name in names if f"`man {name}`" not in listed]


def test_needs_and_profiles_are_in_the_manual() -> None:
    """Each need and each profile of hardening has an entry, and each key and rule too."""
    terms = {
        page: set(re.findall(r"^(\S.*)\n: ", text, re.MULTILINE)) for page, text in PAGES.items()
    }
    entries = {*hardening.needs(), *hardening.profiles()}
    assert {f"`{name}`" for name in entries} <= terms["activator-needs.7"]
    assert {f"`{name}`" for name in intents()} <= terms["activator.toml.5"]
    assert {rule.id for rule in registry.rules()} <= terms["activator-rules.7"]


@pytest.mark.parametrize("page", manual.DOCUMENTS)
def test_no_code_is_changed(page: str) -> None:
    """Every block of code of a document stands in its page as it was, comments too."""
    document = (ROOT / "docs" / manual.DOCUMENTS[page][0]).read_text()
    for block in re.findall(r"^```.*?^```$", document, re.DOTALL | re.MULTILINE):
        assert re.sub(r"^(?=\.)", " ", block, flags=re.MULTILINE) in PAGES[page]


@pytest.mark.parametrize("page", PAGES)
def test_man_shows_it(page: str, tmp_path: Path) -> None:
    """No page makes man(1) complain, and none is wider than a terminal but for its code."""
    if not shutil.which("go-md2man") or not shutil.which("man"):
        pytest.skip("not installed: go-md2man or man")
    source, made = tmp_path / "source.md", tmp_path / page
    source.write_text(PAGES[page])
    subprocess.run(["go-md2man", "-in", source, "-out", made], check=True)
    done = subprocess.run(
        ["man", "--warnings", "--pager=cat", "--local-file", made],
        env=os.environ | {"MANWIDTH": "80", "LC_ALL": "C.UTF-8", "TERM": "dumb"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "" == done.stderr
    text = re.sub("\x1b\\[[0-9;]*m|.\x08", "", done.stdout)
    # What is set back further is code, or the entry of a list.
    prose = [line for line in text.splitlines() if re.match(r" {7}\S", line)]
    assert [] == [line for line in prose if len(line) > 80]
