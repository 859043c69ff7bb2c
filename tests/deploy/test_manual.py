"""The manual pages: what has one, that nothing is lost on the way, and that man(1) shows it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from activator.check import registry
from activator.cli import COMMANDS
from activator.generate import hardening
from activator.generate.specfile.intents import intents
from tests.boxes.building import run_inside
from tests.boxes.fixtures import ONE, box_root
from tests.boxes.recipes import BUILD, SUITES
from tests.support.tree import ROOT

# Page → the page of docs/ that it is made from.
DOCUMENTS = {
    "activator.toml.5": "spec",
    "activator-needs.7": "hardening",
    "activator-runtime.7": "runtime",
    "activator-descriptors.7": "descriptors",
    "activator-local.7": "local",
    "activator-rules.7": "rules",
    "activator-testing.7": "testing",
}
MADE = {"activator.1", *(f"activator-{name}.1" for name in COMMANDS)}
PAGES = sorted(path.name for path in (ROOT / "packaging/man").iterdir())
WIDTH = 80
# Made and shown where only a suite's own packages are; the sources are read alone.
# Where a word is parted at the end of a line depends on the version of groff.
INSIDE = """
set -eu
cd /source
export PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=. MANWIDTH=80 LC_ALL=C.UTF-8 TERM=dumb
python3 packaging/site/build.py /tmp/build man
for page in /tmp/build/man/*; do
    man --warnings --no-hyphenation --pager=cat --local-file "$page" >"/out/$(basename "$page")"
done
"""


def plain(shown: str) -> str:
    """Return what man(1) has shown without bold and underlined."""
    return re.sub("\x1b\\[[0-9;]*m|.\x08", "", shown)


def shown(path: Path) -> str:
    """Return a page as a terminal has it; man(1) has nothing to say of it."""
    if not shutil.which("man"):
        pytest.skip("not installed: man-db")
    done = subprocess.run(
        ["man", "--warnings", "--no-hyphenation", "--pager=cat", "--local-file", path],
        env=os.environ | {"MANWIDTH": str(WIDTH), "LC_ALL": "C.UTF-8", "TERM": "dumb"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "" == done.stderr
    return plain(done.stdout)


def page(name: str) -> str:
    """Return a page of the project as a terminal has it."""
    return shown(ROOT / "packaging/man" / name)


def terms(name: str) -> set[str]:
    """Return what a page explains in its lists."""
    text = (ROOT / "packaging/man" / name).read_text()
    found = re.findall(r"^\.TP\n(?:\.B )?(.*)$", text, re.MULTILINE)
    return {re.sub(r"\\f[BIPR]|\\(?=-)", "", term) for term in found}


def lines(text: str) -> str:
    """Return the lines of a text that are not empty, from their first word to their last."""
    return "\n".join(line.strip() for line in text.splitlines() if line.strip())


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of the pages as they are made today."""
    for needed in ("sphinx", "myst_parser"):
        pytest.importorskip(needed)
    directory = tmp_path_factory.mktemp("manual")
    done = subprocess.run(
        [sys.executable, "packaging/site/build.py", str(directory), "man"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (0, "") == (done.returncode, done.stdout + done.stderr)
    return directory / "man"


def test_everything_has_a_page(built: Path) -> None:
    """The command, each of its commands, and each page that is for the terminal too."""
    assert MADE | DOCUMENTS.keys() == set(PAGES)
    assert PAGES == sorted(path.name for path in built.iterdir())
    listed = (ROOT / "docs/packages.md").read_text()
    names = [page.rpartition(".")[0] for page in DOCUMENTS]
    assert [] == [name for name in names if f"`man {name}`" not in listed]


@pytest.mark.parametrize("name", PAGES)
def test_it_is_current(name: str, built: Path) -> None:
    """The committed page says what is made today; another docutils may say it in other macros."""
    assert shown(built / name).split() == page(name).split(), "run: make docs"


@pytest.mark.parametrize("name", PAGES)
def test_it_fits(name: str) -> None:
    """No line is wider than a terminal, and neither man(1) nor groff warns of anything."""
    assert [] == [line for line in page(name).splitlines() if len(line) > WIDTH]
    if shutil.which("groff"):
        path = str(ROOT / "packaging/man" / name)
        words = ["groff", "-ww", "-man", "-Kutf8", "-Tutf8", "-z", path]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        assert "" == done.stderr


@pytest.mark.parametrize("name", sorted(MADE))
def test_a_command(name: str) -> None:
    """Its page has all options of its help, its exit statuses, an example, and other pages."""
    words = name.removesuffix(".1").split("-", 1)[1:]
    said = subprocess.run(
        [sys.executable, "-m", "activator", *words, "--help"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    _, _, said = said.partition("\nOptions:\n")
    expected = set(re.findall(r"(?:^  |, | / )(-[\w-]+)", said, re.MULTILINE))
    assert {"--help"} <= expected
    text = page(name)
    assert set() == expected - {term for line in terms(name) for term in re.split(r"[ ,/=]+", line)}
    for section in ("SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "EXAMPLES", "SEE ALSO"):
        assert f"\n{section}\n       " in text
    assert {"0", "1", "2"} <= terms(name)
    assert ("activator(1)" in text) == bool(words)


def test_needs_and_profiles_are_in_the_manual() -> None:
    """Each need and each profile of hardening has an entry, and each key and rule too."""
    assert {*hardening.needs(), *hardening.profiles()} <= terms("activator-needs.7")
    assert set(intents()) <= terms("activator.toml.5")
    assert {rule.id for rule in registry.rules()} <= terms("activator-rules.7")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_no_code_is_changed(name: str) -> None:
    """Every block of code of a document stands in its page as it was, comments too."""
    document = (ROOT / f"docs/{DOCUMENTS[name]}.md").read_text()
    text = lines(page(name))
    for block in re.findall(r"^```.*?\n(.*?)^```$", document, re.DOTALL | re.MULTILINE):
        assert lines(block) in text


@pytest.mark.parametrize(
    "suite",
    [
        pytest.param(
            suite, marks=[] if suite == ONE else [pytest.mark.stress, pytest.mark.other_systemd]
        )
        for suite in SUITES
    ],
)
def test_a_suite_makes_the_same(suite: str, tmp_path: Path) -> None:
    """Sphinx, MyST, click and groff of each suite make pages that say the same, and fit."""
    log = tmp_path / "build.log"
    out = tmp_path / "out"
    out.mkdir()
    run_inside(box_root(suite, BUILD), INSIDE, ROOT, out, log)
    made = {path.name: plain(path.read_text()) for path in out.iterdir()}
    assert "" == re.sub("Attempted to remove disk file system.*", "", log.read_text()).strip()
    assert PAGES == sorted(made)
    assert [] == [line for text in made.values() for line in text.splitlines() if len(line) > WIDTH]
    assert {} == {name: text for name, text in made.items() if text.split() != page(name).split()}
