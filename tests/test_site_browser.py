"""The site in a real browser, at the width of a phone and of a desktop: nothing overflows."""

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path

import pytest

from tests.test_site import site

__all__ = ["site"]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
# Written into the page's title: how far it reaches beyond the window, and what does.
MEASURE = """
<script>
addEventListener("load", () => {
  const width = document.documentElement.clientWidth;
  const scrolls = (node) => node.tagName !== "ARTICLE" &&
    (/auto|scroll/.test(getComputedStyle(node).overflowX) || scrolls(node.parentElement));
  const wide = [...document.querySelectorAll("article *")].filter(
    (node) => node.getBoundingClientRect().right > width + 1 && !scrolls(node));
  document.title = JSON.stringify(
    {width: document.documentElement.scrollWidth - width, wide: wide.map((node) => node.tagName)});
});
</script>
"""
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="not installed: chromium")


def _dom(page: Path, profile: Path, width: int, query: str = "") -> str:
    """Return a page's document as it is once its scripts have run."""
    assert CHROMIUM
    return subprocess.run(
        [
            *(CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--dump-dom"),
            *(f"--user-data-dir={profile}", f"--window-size={width},1000"),
            *("--virtual-time-budget=10000", "--allow-file-access-from-files"),
            f"file://{page}{query}",
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=True,
        timeout=300,
    ).stdout


@pytest.mark.parametrize("width", [500, 1280])
@pytest.mark.parametrize(
    "page", ["index", "README", "docs/spec", "docs/hardening", "docs/api", "commands/activator-gen"]
)
def test_nothing_overflows(page: str, width: int, site: Path, tmp_path: Path) -> None:
    """No text is cut off and no page moves sideways; tables and code scroll by themselves."""
    measured = (site / f"{page}.html").with_suffix(".measured.html")
    measured.write_text((site / f"{page}.html").read_text().replace("</body>", MEASURE + "</body>"))
    try:
        document = _dom(measured, tmp_path / "profile", width)
    finally:
        measured.unlink()
    (title,) = re.findall(r"<title>(\{.*?\})</title>", document)
    assert {"width": 0, "wide": []} == json.loads(unescape(title))


def test_the_search_finds_a_directive(site: Path, tmp_path: Path) -> None:
    """The search works from files, without a server and a network."""
    document = _dom(site / "search.html", tmp_path / "profile", 1280, "?q=ReceiveBuffer")
    assert 'href="docs/spec.html' in document.partition("search-results")[2]
