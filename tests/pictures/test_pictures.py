"""The pictures of docs/: of today, small, whole by themselves, legible, and shown somewhere."""

import re
import shutil
import socket
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.tree import ROOT

pytest.importorskip("rich")

from rich.color import blend_rgb

from tests.pictures import graphs
from tests.pictures.drawing import THEMES, draw, text
from tests.pictures.making import played
from tests.pictures.scenes import PICTURES, Scene, plain, scenes

LARGEST = 40_000  # bytes
SCENES = {scene.name: scene for scene in scenes()}
HERE = [name for name, scene in SCENES.items() if not scene.box]
ALL = sorted(PICTURES.glob("*.svg"))
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]
_SHOWN = re.compile(
    r'<picture>\n  <source media="\(prefers-color-scheme: dark\)" srcset="(\S+)-dark\.svg">\n'
    r'  <img alt="([^"]+)" src="(\S+)-light\.svg">\n</picture>\n'
)
# Elements and attributes that fetch something; what begins with # is in the picture itself.
_FETCH = re.compile(r"@import|@font-face|<script|<image|<foreignObject|href\s*=(?!\s*[\"']#)")
_URL = re.compile(r"url\((?!['\"]?#)")
_NAMESPACES = ("http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink")


def assert_of_today(scene: Scene, written: str) -> None:
    """Compare what is written today with the text in a scene's pictures."""
    for theme in THEMES:
        shown = text(scene.path(theme).read_text(encoding="utf-8"))
        assert scene.compared(shown) == scene.compared(plain(written)), "run: make pictures"


@pytest.mark.parametrize("name", HERE)
def test_it_shows_what_happens_today(name: str) -> None:
    """What was typed for a picture writes today what the picture shows."""
    scene = SCENES[name]
    if programs := {step.line.split()[0] for step in scene.steps} - {"activator"}:
        for program in programs:
            if not shutil.which(program):
                pytest.skip(f"not installed: {program}")
    assert_of_today(scene, played(scene))


@pytest.mark.skipif(not shutil.which("dot"), reason="not installed: dot")
def test_the_graph_is_of_today() -> None:
    """What `activator graph` draws today has the words of the picture, in its theme."""
    drawn = graphs.drawn()
    backgrounds = set()
    for theme in THEMES:
        kept = (PICTURES / f"{graphs.NAME}-{theme}.svg").read_text(encoding="utf-8")
        assert graphs.words(kept) == graphs.words(drawn) != [], "run: make pictures"
        assert "prefers-color-scheme" not in kept
        backgrounds |= {"fill:#161b22" in kept}
    assert {True, False} == backgrounds


@pytest.mark.parametrize("name", SCENES)
def test_every_scene_is_drawn_in_every_theme(name: str) -> None:
    """There is a picture of each scene in each theme, with its words for who cannot see it."""
    scene = SCENES[name]
    for theme in THEMES:
        root = ET.parse(scene.path(theme)).getroot()  # noqa: S314 - our own
        told = [root.findtext(f"{{{_NAMESPACES[0]}}}{name}") for name in ("title", "desc")]
        assert [scene.title, scene.text] == told, "run: make pictures"


# What takes two columns, or none, is not what the commands write.
LETTERS = st.text("ab0 <>&\"'{}[]├─…·ü$;#", max_size=50)


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(LETTERS, st.integers(0, 37)), max_size=8), st.sampled_from([*THEMES]))
def test_a_picture_has_the_text_that_was_written(parts: list[tuple[str, int]], theme: str) -> None:
    """Whatever is written, in whatever colour, is read back from the picture of it."""
    written = "begin\n" + "".join(f"\x1b[{colour}m{letters}\n" for letters, colour in parts)
    scene = Scene("any", "{a} <title>", "{Words} & more", 20, ())
    shown = text(draw(scene, written, theme))
    assert scene.compared(plain(written)) == scene.compared(shown)


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_a_picture_is_small_and_whole_by_itself(path: Path) -> None:
    """It loads nothing, says to those who cannot see it what it shows, and names no machine."""
    picture = path.read_text(encoding="utf-8")
    assert len(picture.encode()) < LARGEST
    assert not _FETCH.search(picture)
    assert not _URL.search(picture)
    rest = re.sub("|".join(map(re.escape, _NAMESPACES)), "", picture)
    assert not re.search(r"https?://(?!127\.0\.0\.1[:/])", rest)
    for own in (str(ROOT), str(Path.home()), f"{socket.gethostname()}"):
        assert len(own) < len("/root/") or own not in picture
    root = ET.fromstring(picture)  # noqa: S314 - our own
    assert "img" == root.attrib["role"]
    for name in ("title", "desc"):
        (found,) = root.findall(f"{{{_NAMESPACES[0]}}}{name}")
        assert (found.text or "").strip()
    fonts = set(re.findall(r"font-family=[\"']([^\"']*)", picture))
    assert fonts <= {"Helvetica,Arial,sans-serif", "sans-serif", "monospace"}


def test_every_picture_is_shown() -> None:
    """Each stands on a page, light and dark, with words for those who cannot see it."""
    shown = set()
    for page in PAGES:
        content = page.read_text(encoding="utf-8")
        found = _SHOWN.findall(content)
        assert content.count("<picture>") == len(found), page
        for dark, _, light in found:
            assert dark == light
            shown |= {(page.parent / f"{light}-{theme}.svg").resolve() for theme in THEMES}
    assert set(ALL) == shown
    assert 1 == len(_SHOWN.findall(PAGES[0].read_text(encoding="utf-8")))


def luminance(colour: tuple[int, int, int]) -> float:
    """Return the relative luminance, as WCAG 2 defines it."""
    parts = [part / 255 for part in colour]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", THEMES)
def test_colours_can_be_read(theme: str) -> None:
    """Each colour of a theme has the contrast to its background that WCAG 2 asks of text."""
    chosen = THEMES[theme]
    background = luminance(chosen.background_color)
    # What is dim is rich's own mixture.
    dim = blend_rgb(chosen.foreground_color, chosen.background_color, 0.4)
    for colour in (chosen.foreground_color, dim, *(chosen.ansi_colors[n] for n in range(16))):
        low, high = sorted((background, luminance(colour)))
        assert (high + 0.05) / (low + 0.05) >= 4.5, colour
