"""A graph in Graphviz's language, and the SVG that its dot draws of that.

Names are data here too. Source: Graphviz's "The DOT Language" and its escString, in which ``&``
begins an HTML entity, and "HTML-Like Labels".
"""

import subprocess
from collections.abc import Iterable, Iterator
from functools import cache
from typing import NamedTuple

from activator.check.graph.edges import COMMANDS, FILES, USERS, Graph, Node
from activator.check.graph.forms import along, called, is_way, shown, text
from activator.common import tables
from activator.errors import ActivatorError

_SVG_S = 120.0
_SVG = "{http://www.w3.org/2000/svg}"
_FONT = 'fontname="Helvetica,Arial,sans-serif"'
# Light → dark: of the paper, of letters and the way of a client, and of other arrows.
_PAPER = ("#ffffff", "#161b22")
_INK = ("#1f2328", "#e6edf3")
_GREY = ("#52606d", "#9ea7b3")
# Of the picture, whose style then means nothing else of a page that has it within.
_CLASS = "units"
_USES = frozenset({*COMMANDS, *FILES, *USERS, "DynamicUser"})


class Look(NamedTuple):
    """How a kind of node looks: a row of looks.tsv.

    Attributes:
        shape: Graphviz's name of it.
        style: Graphviz's, of its outline and its area.
        line: The colour of its outline.
        fill: That of its area.
        dark_line: The first one where the reader has dark pages.
        dark_fill: The second one there.
        legend: What the legend says of it.
    """

    shape: str
    style: str
    line: str
    fill: str
    dark_line: str
    dark_fill: str
    legend: str


class Arrow(NamedTuple):
    """How a kind of edge looks, and what the legend says and shows of it."""

    attributes: str
    colour: str
    sample: str
    legend: str


# The way of a client stands out, and what only has to be there is dashed.
_WAY = Arrow(
    f'color="{_INK[0]}", fontcolor="{_INK[0]}", penwidth=1.6, weight=8',
    *(_INK[0], "<b>━━▶</b>", "the way of a client"),
)
_USE = Arrow("", _GREY[0], "──▶", "runs or uses")
_NEED = Arrow("style=dashed", _GREY[0], "- - ▶", "needs, or is ordered by")


Edge = tuple[Node, list[str], Node, Arrow]


@cache
def looks() -> dict[str, Look]:
    """Return how each kind of node looks."""
    return {kind: Look(*cells) for kind, *cells in tables.rows(__file__, "looks.tsv")}


def dot(graph: Graph) -> str:
    """Return a directed graph in Graphviz's language, with a legend below it."""
    names = {node: f"n{number}" for number, node in enumerate(graph.nodes)}
    edges = [(source, labels, target, _arrow(labels)) for source, labels, target in along(graph)]
    lines = [
        "digraph activator {",
        f'  graph [rankdir=LR, ranksep=0.7, nodesep=0.2, pad=0.2, bgcolor="{_PAPER[0]}"];',
        f"  graph [{_FONT}, fontsize=9, labeljust=l];",
        f'  node [{_FONT}, fontsize=11, fontcolor="{_INK[0]}", penwidth=1.2];',
        '  node [margin="0.14,0.06", height=0.35];',
        f'  edge [{_FONT}, fontsize=9, color="{_GREY[0]}", fontcolor="{_GREY[0]}", arrowsize=0.7];',
        f"  label=<{_legend(names, edges)}>;",
    ]
    for node, name in names.items():
        look = looks()[node.kind]
        drawn = f'shape={look.shape}, style="{look.style}"'
        colours = f'color="{look.line}", fillcolor="{look.fill}"'
        lines.append(f"  {name} [label={_quoted(called(node))}, {drawn}, {colours}];")
    order = {node: number for number, node in enumerate(graph.nodes)}
    for source, labels, target, arrow in edges:
        words = [f"label={_quoted(shown(', '.join(labels)))}", arrow.attributes]
        # What leads back to a unit that was there before does not move it.
        if arrow is _NEED and order[target] < order[source]:
            words.append("constraint=false")
        lines.append(f"  {names[source]} -> {names[target]} [{', '.join(filter(None, words))}];")
    return "".join(f"{line}\n" for line in [*lines, "}"])


def _arrow(labels: list[str]) -> Arrow:
    if is_way(labels):
        return _WAY
    return _NEED if _USES.isdisjoint(labels) else _USE


def _legend(nodes: Iterable[Node], edges: list[Edge]) -> str:
    """Return a table that says what the colours and arrows mean, of those that are there."""
    kinds = {node.kind for node in nodes}
    drawn = [arrow for *_, arrow in edges]
    found = {look.legend: look for kind, look in looks().items() if kind in kinds}
    cells = []
    for words, look in found.items():
        style = ",".join({"rounded", "dashed"} & set(look.style.split(",")))
        outline = f' style="{style}"' if style else ""
        cells.append(
            f'<td border="1" color="{look.line}" bgcolor="{look.fill}"{outline}>'
            f'<font color="{_INK[0]}">{words}</font></td>'
        )
    for arrow in (_WAY, _USE, _NEED):
        if arrow in drawn:
            sample = f"{arrow.sample}&#160; {arrow.legend}"
            cells.append(f'<td><font color="{arrow.colour}">{sample}</font></td>')
    if any("←" in name for _, labels, *_ in edges for name in labels):
        cells.append(f'<td><font color="{_INK[0]}">← set where the arrow leads</font></td>')
    return f'<table border="0" cellspacing="6" cellpadding="3"><tr>{"".join(cells)}</tr></table>'


def _quoted(words: str) -> str:
    escaped = words.replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;")
    return f'"{escaped}"'


def svg(graph: Graph) -> str:
    """Return a picture, drawn by Graphviz's dot, which is dark where its reader has dark pages.

    Raises:
        ActivatorError: There is no dot, or it fails.
    """
    argv = ["dot", "-Tsvg"]
    try:
        done = subprocess.run(
            argv, input=dot(graph).encode(), capture_output=True, check=False, timeout=_SVG_S
        )
    except FileNotFoundError:
        hint = "install graphviz, or use --format text, mermaid or dot"
        raise ActivatorError("there is no dot, which draws SVG", hint) from None
    except subprocess.TimeoutExpired:
        hint = "draw less of it, or use --format dot"
        raise ActivatorError(f"dot did not end within {_SVG_S:g} s", hint) from None
    if done.returncode:
        reason = done.stderr.decode(errors="replace").strip().partition("\n")[0]
        raise ActivatorError(f"dot: {reason}", "use --format dot")
    return _told(done.stdout.decode(), graph)


def _told(drawn: str, graph: Graph) -> str:
    """Return dot's picture with words for those who cannot see it, and colours for dark pages.

    It is then whole by itself: without the type of the document, which is at an address.
    """
    from xml.etree import ElementTree as ET  # noqa: PLC0415 - other forms need none

    ET.register_namespace("", _SVG.strip("{}"))
    root = ET.fromstring(drawn)  # noqa: S314 - dot has written it
    # They would pop up over the nodes, and are our n1, n2 and so on.
    for group in root.iter(f"{_SVG}g"):
        for title in group.findall(f"{_SVG}title"):
            group.remove(title)
    root.set("role", "img")
    root.set("class", _CLASS)
    for place, (name, words) in enumerate(
        {
            "title": "Sockets, what they start, and what that needs",
            "desc": text(graph),
            "style": f"@media (prefers-color-scheme: dark) {{{' '.join(_dark())}}}",
        }.items()
    ):
        element = ET.Element(f"{_SVG}{name}")
        element.text = words
        element.tail = "\n"
        root.insert(place, element)
    return ET.tostring(root, encoding="unicode") + "\n"


def colours() -> set[tuple[str, str]]:
    """Return each colour that is drawn with the one that it has on dark pages."""
    pairs = {_PAPER, _INK, _GREY}
    for look in looks().values():
        pairs |= {(look.line, look.dark_line), (look.fill, look.dark_fill)}
    return pairs


def _dark() -> Iterator[str]:
    """Yield the rules that put a dark colour in the place of each that is drawn."""
    for light, dark in sorted(colours()):
        for attribute in ("fill", "stroke"):
            yield f'.{_CLASS} [{attribute}="{light}"]{{{attribute}:{dark}}}'
