"""SVG of what is written on a terminal, and the text that such a picture has in it.

rich draws it; its template is ours, since rich's own loads a font from elsewhere. Each run of
letters says how long it is, so that columns stay columns in whatever monospaced font there is.
"""

import io
from collections.abc import Mapping
from html import escape
from xml.etree import ElementTree as ET

from rich.ansi import AnsiDecoder
from rich.console import Console
from rich.terminal_theme import TerminalTheme

from tests.pictures.scenes import Scene

_SVG = "{http://www.w3.org/2000/svg}"
# Of the letters, in rich's own units.
_WIDTH, _LINE = 20 * 0.61, 20 * 1.22
Colour = tuple[int, int, int]


def _colour(text: str) -> Colour:
    red, green, blue = bytes.fromhex(text.removeprefix("#"))
    return red, green, blue


def _theme(background: str, letters: str, *colours: str) -> TerminalTheme:
    """Return a theme: black, red, green, yellow, blue, magenta, cyan and white are last."""
    eight = [_colour(colour) for colour in colours]
    return TerminalTheme(_colour(background), _colour(letters), eight, eight)


# Every colour can be read on its background: a contrast of 4.5 or more, which a test measures.
THEMES: Mapping[str, TerminalTheme] = {
    "light": _theme(
        *("#ffffff", "#0d1117", "#0d1117", "#b31d28", "#116329", "#7d4e00"),
        *("#0550ae", "#6639ba", "#0b5f70", "#57606a"),
    ),
    "dark": _theme(
        *("#161b22", "#e6edf3", "#8b949e", "#ff7b72", "#56d364", "#e3b341"),
        *("#79c0ff", "#d2a8ff", "#56d4dd", "#e6edf3"),
    ),
}
_EDGES = {"light": "#d0d7de", "dark": "#30363d"}
# The braces that are doubled are CSS's; what stands in single ones is rich's.
_TEMPLATE = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {{width}} {{height}}" role="img"
  aria-labelledby="{{unique_id}}-title {{unique_id}}-desc">
<title id="{{unique_id}}-title">{title}</title>
<desc id="{{unique_id}}-desc">{text}</desc>
<style>
.{{unique_id}}-matrix {{{{ font: {{char_height}}px monospace; white-space: pre }}}}
{{styles}}
</style>
<rect x="1" y="1" width="{{width}}" height="{{height}}" rx="8" fill="{background}" stroke="{edge}"/>
<g fill="{edge}"><circle cx="26" cy="22" r="7"/><circle cx="48" cy="22" r="7"/>\
<circle cx="70" cy="22" r="7"/></g>
<g transform="translate({{terminal_x}}, {{terminal_y}})">
{{backgrounds}}
<g class="{{unique_id}}-matrix">
{{matrix}}
</g>
</g>
</svg>
"""


def draw(scene: Scene, written: str, theme: str) -> str:
    """Return a picture of what was written, colours and all."""
    console = Console(
        record=True, width=scene.columns, file=io.StringIO(), color_system="truecolor"
    )
    for line in AnsiDecoder().decode(written.strip()):
        # As a terminal does it: in the middle of a word.
        for part in line.divide(range(scene.columns, len(line), scene.columns)):
            console.print(part, no_wrap=True, crop=True)
    chosen = THEMES[theme]
    drawn = console.export_svg(
        theme=chosen,
        unique_id=f"{scene.name}-{theme}",
        code_format=_TEMPLATE.format(
            title=escape(scene.title).replace("{", "{{").replace("}", "}}"),
            text=escape(scene.text).replace("{", "{{").replace("}", "}}"),
            background=chosen.background_color.hex,
            edge=_EDGES[theme],
        ),
    )
    return _mended(drawn)


def _mended(drawn: str) -> str:
    """Return rich's picture without the clip and the end of each line, which show nothing."""
    ET.register_namespace("", _SVG.strip("{}"))
    root = ET.fromstring(drawn)  # noqa: S314 - our own
    for group in root.iter(f"{_SVG}g"):
        for letters in group.findall(f"{_SVG}text"):
            if not (letters.text or "").strip():
                group.remove(letters)
            letters.attrib.pop("clip-path", None)
            letters.tail = "\n"
    frame = root.find(f"{_SVG}rect")
    assert frame is not None
    for side in ("width", "height"):
        # The edge is half outside.
        frame.set(side, f"{float(frame.attrib[side]) - 2:g}")
    return ET.tostring(root, encoding="unicode") + "\n"


def text(picture: str) -> str:
    """Return the text that a picture shows, line by line."""
    rows: dict[int, dict[int, str]] = {}
    for letters in ET.fromstring(picture).iter(f"{_SVG}text"):  # noqa: S314 - our own
        row = round((float(letters.attrib["y"]) - 20) / _LINE)
        column = round(float(letters.attrib["x"]) / _WIDTH)
        rows.setdefault(row, {})[column] = (letters.text or "").replace("\xa0", " ")
    lines = [""] * (max(rows, default=-1) + 1)
    for row, parts in rows.items():
        for column, part in sorted(parts.items()):
            lines[row] = lines[row].ljust(column) + part
    return "\n".join(lines)
