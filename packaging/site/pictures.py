"""Diagrams of pages, drawn by Graphviz into the pages: a browser loads nothing for them."""

import re
import shutil
import subprocess

_DIAGRAM = re.compile(r"^```mermaid\nflowchart TB\n(?P<lines>.*?)^```$", re.DOTALL | re.MULTILINE)
_LINKS = {"-->": "", "---": " [dir=none]"}
# What is drawn has the colour of the text around it, in light and dark.
_LOOK = (
    "bgcolor=transparent rankdir=TB nodesep=0.2 ranksep=0.35",
    'node [shape=box style=rounded fontname="sans-serif" fontsize=12]',
    'node [height=0.3 margin="0.12,0.04"]',
    "edge [arrowsize=0.6]",
)
_STYLE = "overflow-x: auto"


def draw(page: str) -> str:
    """Return a page with its diagrams drawn; as it is where there is no Graphviz."""
    return _DIAGRAM.sub(lambda match: _drawn(match["lines"]), page) if shutil.which("dot") else page


def _drawn(lines: str) -> str:
    svg = subprocess.run(
        ["dot", "-Tsvg"], input=_graph(lines), capture_output=True, text=True, check=True
    ).stdout
    svg = re.sub(r"<!--.*?-->|<title>.*?</title>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    svg = svg.replace('"black"', '"currentColor"').replace("<text ", '<text fill="currentColor" ')
    # An empty line would end it.
    svg = re.sub(r"\n+", "\n", svg)
    return f'<div style="{_STYLE}">\n{svg.strip()}\n</div>\n'


def _graph(lines: str) -> str:
    """Return a diagram as Graphviz takes it."""
    made = []
    for line in lines.splitlines():
        first, *link = line.split()
        made.append(f'"{first}" -> "{link[1]}"{_LINKS[link[0]]}' if link else f'"{first}"')
    return "digraph {\n" + "\n".join([*_LOOK, *made]) + "\n}\n"
