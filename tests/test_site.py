"""The site: built without a warning, complete, and whole without a network."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import activator
from activator.cli import COMMANDS
from tests.support.tree import ROOT

for needed in ("sphinx", "myst_parser", "furo"):
    pytest.importorskip(needed)


class _Page(HTMLParser):
    """Collects what a page refers to, and what in it can be referred to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the links, resources and anchors of a tag."""
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given["id"]} if "id" in given else set()
        target = given.get("href") or given.get("src")
        if target:
            (self.links if tag == "a" else self.loads).append(target)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of the built site."""
    directory = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "packaging/site/build.py", str(directory)],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (0, "") == (done.returncode, done.stdout + done.stderr)
    return directory / "html"


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, _Page]:
    """Return the parsed pages by their paths."""
    return {path: _Page(path.read_text()) for path in site.rglob("*.html")}


def test_every_page_is_there(site: Path) -> None:
    """Each page of docs/, each command and each name that programs import has its place."""
    for page in (ROOT / "docs").rglob("*.md"):
        assert (site / page.relative_to(ROOT).with_suffix(".html")).is_file()
    for name in COMMANDS:
        assert (site / f"commands/activator-{name}.html").is_file()
    listed = _text(site / "commands/index.html")
    for name, summary in COMMANDS.items():
        assert f"activator {name} {summary.replace('`', '')}" in listed
    # As it is typed, with two hyphens.
    assert "<strong>--force</strong>" in (site / "commands/activator-gen.html").read_text()
    api = (site / "docs/api.html").read_text()
    names = [name for name in activator.__all__ if not name.startswith("__")]
    assert [] == [
        name for name in names if f'id="activator-{name.lower().replace("_", "-")}"' not in api
    ]


def _text(page: Path) -> str:
    """Return what a page says, without its markup."""
    return " ".join(unescape(re.sub(r"<[^>]+>", "", page.read_text())).split())


@pytest.mark.skipif(not shutil.which("dot"), reason="not installed: graphviz")
def test_diagrams_are_drawn(site: Path) -> None:
    """They are pictures in the page, in the colour of its text."""
    source = (ROOT / "docs/architecture.md").read_text()
    page = (site / "docs/architecture.html").read_text()
    pictures = re.findall(r"<svg .*?</svg>", page, re.DOTALL)
    drawn = [picture for picture in pictures if "<polygon" in picture]
    assert source.count("```mermaid") == len(drawn)
    assert "flowchart" not in page
    assert ">unitfile</text>" in drawn[0]
    assert not any("black" in picture for picture in drawn)


def test_pictures_follow_the_switch(site: Path) -> None:
    """Each picture is there light and dark, each shown in its theme alone, with words for it."""
    found = 0
    for path in (site / "README.html", *(site / "docs").glob("*.html")):
        images = re.findall(r"<img\b[^>]*>", path.read_text())
        pictures = [image for image in images if "_images/" in image]
        for light, dark in zip(pictures[::2], pictures[1::2], strict=True):
            assert 'class="only-light"' in light
            assert re.search(r'alt="\w', light)
            turned = light.replace("only-light", "only-dark").replace("-light.svg", "-dark.svg")
            assert turned == dark
            found += 1
        assert "<picture>" not in path.read_text()
    assert found > 10


def test_nothing_is_loaded_from_elsewhere(pages: dict[Path, _Page]) -> None:
    """Styles, scripts and pictures are files of the site."""
    for path, page in pages.items():
        assert [] == [load for load in page.loads if urlsplit(load).netloc], path


def test_every_link_leads_somewhere(site: Path, pages: dict[Path, _Page]) -> None:
    """Each link within the site has its file, and its anchor there."""

    def broken(path: Path, page: _Page) -> Iterator[str]:
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            anchors = pages[target].anchors if target in pages else {parts.fragment}
            if not target.is_file() or unquote(parts.fragment) not in {*anchors, ""}:
                yield link

    found = {path.relative_to(site): list(broken(path, page)) for path, page in pages.items()}
    assert {} == {path: links for path, links in found.items() if links}


def test_the_search_knows_directives(site: Path) -> None:
    """What the search looks into, in the browser itself, has the names of directives by stem."""
    index = (site / "searchindex.js").read_text()
    assert '"receivebuff"' in index or "receivebuff:" in index
    assert "docs/spec" in index
