"""The site in a real browser: wide and narrow, light and dark, and searched without a network."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.boxes.fixtures import ONE, box_root
from tests.boxes.recipes import BUILD
from tests.support.browser import CHROMIUM, Browser, browser
from tests.test_site import site

__all__ = ["site"]
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="not installed: chromium")

# A phone's and a desktop's.
WIDTHS = (390, 1280)
SCHEMES = ("light", "dark")
PAGES = ("index", "README", "docs/spec", "docs/howto/python-web", "commands/activator-gen")
# How far the page reaches beyond the window, and which of its parts do; tables and code scroll by
# themselves.
OVERFLOW = """(() => {
  const width = document.documentElement.clientWidth;
  const scrolls = (node) => node.tagName !== "ARTICLE" &&
    (/auto|scroll/.test(getComputedStyle(node).overflowX) || scrolls(node.parentElement));
  const wide = [...document.querySelectorAll("article *")].filter(
    (node) => node.getBoundingClientRect().right > width + 1 && !scrolls(node));
  const beyond = document.documentElement.scrollWidth - width;
  return [...(beyond > 0 ? [`${beyond} px`] : []), ...wide.map((node) => node.tagName)];
})()"""
# Text whose contrast is below 4.5:1, which is what WCAG 2 (1.4.3, AA) asks for.
PALE = """(() => {
  const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const linear = (value) => value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const luminance = (colour) => {
    const [red, green, blue] = colour.map((value) => linear(value / 255));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const behind = (node) => {
    const colour = channels(getComputedStyle(node).backgroundColor);
    return colour[3] === 0 ? behind(node.parentElement) : colour;
  };
  const pale = new Set();
  const texts = document.createTreeWalker(
    document.querySelector("article"), NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const node = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() ||
        !node.checkVisibility({visibilityProperty: true, opacityProperty: true})) continue;
    const both = [channels(getComputedStyle(node).color), behind(node)].map(luminance);
    const contrast = (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05);
    if (contrast < 4.5) pale.add(`${node.className}: ${contrast.toFixed(2)}`);
  }
  return [...pale];
})()"""
# The sides of the site, by luminance of the page's background.
IS_DARK = """(() => {
  const [red] = getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number);
  return red < 128;
})()"""
FOUND = """new Promise((resolve) => {
  const look = () => {
    const link = document.querySelector("#search-results a[href*='docs/spec.html']");
    link ? resolve(link.textContent) : setTimeout(look, 50);
  };
  look();
})"""


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Yield a browser's window."""
    with browser(tmp_path_factory.mktemp("profile")) as window:
        yield window


def faults(
    window: Browser, page: Path, schemes: tuple[str, ...] = SCHEMES
) -> dict[tuple[int, str], Any]:
    """Return what is wrong with a page, by width and scheme."""
    found = {}
    window.show(WIDTHS[0], schemes[0])
    window.open(page.as_uri())
    for width in WIDTHS:
        for scheme in schemes:
            window.show(width, scheme)
            assert (scheme == "dark") == window.evaluate(IS_DARK)
            if wrong := window.evaluate(OVERFLOW) + window.evaluate(PALE):
                found[width, scheme] = wrong
    return found


@pytest.mark.parametrize("page", PAGES)
def test_a_page_can_be_read(page: str, site: Path, window: Browser) -> None:
    """No text is cut off or pale, and no page moves sideways, on a phone and on a desktop."""
    assert {} == faults(window, site / f"{page}.html")


@pytest.mark.stress
def test_every_page_can_be_read(site: Path, window: Browser) -> None:
    """The same of all pages."""
    found = {page.relative_to(site): faults(window, page) for page in site.rglob("*.html")}
    assert {} == {page: wrong for page, wrong in found.items() if wrong}


def test_faults_are_found(site: Path, window: Browser) -> None:
    """A page that is too wide or too pale is noticed."""
    page = site / "faulty.html"
    text = '<p style="width: 700px; color: #aaa; background: #bbb">pale</p></article>'
    page.write_text((site / "index.html").read_text().replace("</article>", text))
    try:
        found = faults(window, page)
    finally:
        page.unlink()
    assert "P" in found[390, "light"]
    assert [": 1.21"] == found[1280, "dark"]


@pytest.mark.parametrize("packages", [ONE], indirect=True)
def test_the_packaged_site_opens(packages: Path, window: Browser, tmp_path: Path) -> None:
    """What activator-doc installs opens from its files and is searched by scripts of Debian's."""
    (package,) = packages.glob("activator-doc_*.deb")
    subprocess.run(["dpkg-deb", "--extract", package, tmp_path], check=True)
    # libjs-sphinxdoc, which it depends on, came with Sphinx where it was built.
    scripts = box_root(packages.name, BUILD) / "usr/share/javascript"
    shutil.copytree(scripts, tmp_path / "usr/share/javascript", symlinks=True)
    html = tmp_path / "usr/share/doc/activator-doc/html"
    # The furo of trixie is dark by its switch alone.
    assert {} == faults(window, html / "index.html", ("light",))
    window.open(f"{(html / 'search.html').as_uri()}?q=ReceiveBuffer")
    assert "The spec" == window.evaluate(FOUND)


@pytest.mark.parametrize("width", WIDTHS)
def test_the_search_finds_a_directive(width: int, site: Path, window: Browser) -> None:
    """The search works from files, without a server and a network."""
    window.show(width, "light")
    window.open(f"{(site / 'search.html').as_uri()}?q=ReceiveBuffer")
    assert "The spec" == window.evaluate(FOUND)
    assert [] == window.evaluate(OVERFLOW)
