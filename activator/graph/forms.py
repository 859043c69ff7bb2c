r"""The forms of a graph: a tree of text, Mermaid, DOT, and SVG through Graphviz.

Names are data: each form escapes what would mean something in it, and what cannot be shown
is written as ``\xNN``.

Source: Mermaid's "Entity codes to escape characters"; Graphviz's "The DOT Language" and its
escString, in which ``&`` begins an HTML entity.
"""

import subprocess
from collections.abc import Callable, Iterator

from activator.errors import ActivatorError
from activator.graph.model import Graph, Node

_SVG_S = 120.0
# Kind → shape in Mermaid (what stands left and right of the label) and in DOT.
_MERMAID = {
    "socket": ("([", "])"),
    "service": ("[", "]"),
    "address": (">", "]"),
    "missing": ("{{", "}}"),
    "file": ("[/", "/]"),
    "user": ("((", "))"),
    "group": ("((", "))"),
}
_DOT = {
    "socket": "shape=oval, style=bold",
    "service": "shape=box, style=bold",
    "address": "shape=cds",
    "missing": "shape=box, style=dashed",
    "file": "shape=note",
    "user": "shape=egg",
    "group": "shape=egg",
}
# What Mermaid takes as it is.
_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 ._/=,+-")
_NOTES = {"missing": " (missing)", "user": " (user)", "group": " (group)"}


def text(graph: Graph) -> str:
    """Return a tree: what nothing leads to, and below it what it leads to.

    What has been told above is named again, and not repeated.
    """
    targets = {target for _, _, target in graph.edges()}
    roots = [node for node in graph.nodes if node not in targets]
    seen: set[Node] = set()
    lines: list[str] = []
    # What is part of a circle has no root: it begins with its first node.
    for node in [*roots, *graph.nodes]:
        if node not in seen and (node in roots or graph.leaving(node)):
            lines.append(_label(node))
            lines += _below(graph, node, "", seen)
    return "".join(f"{line}\n" for line in lines)


def _below(graph: Graph, node: Node, indent: str, seen: set[Node]) -> Iterator[str]:
    """Yield the lines below a node."""
    seen.add(node)
    edges = graph.leaving(node)
    width = max((len(", ".join(labels)) for labels in edges.values()), default=0)
    for number, (target, labels) in enumerate(edges.items(), 1):
        branch, further = ("└─", "   ") if number == len(edges) else ("├─", "│  ")
        told = bool(target in seen and graph.leaving(target))
        note = " (see above)" if told else ""
        label = ", ".join(labels).ljust(min(width, 24))
        yield f"{indent}{branch} {label}  {_label(target)}{note}"
        if not told:
            yield from _below(graph, target, indent + further, seen)


def mermaid(graph: Graph) -> str:
    """Return a flow chart for Mermaid."""
    names = {node: f"n{number}" for number, node in enumerate(graph.nodes)}
    lines = ["flowchart LR"]
    for node, name in names.items():
        left, right = _MERMAID.get(node.kind, ("(", ")"))
        lines.append(f'  {name}{left}"{_in_mermaid(_label(node))}"{right}')
    for source, labels, target in graph.edges():
        label = _in_mermaid(_shown(", ".join(labels)))
        lines.append(f'  {names[source]} -->|"{label}"| {names[target]}')
    return "".join(f"{line}\n" for line in lines)


def _in_mermaid(label: str) -> str:
    return "".join(char if char in _PLAIN else f"#{ord(char)};" for char in label)


def dot(graph: Graph) -> str:
    """Return a directed graph in Graphviz's language."""
    names = {node: f"n{number}" for number, node in enumerate(graph.nodes)}
    lines = ["digraph activator {", "  rankdir=LR;", '  node [fontname="sans-serif"];']
    for node, name in names.items():
        shape = _DOT.get(node.kind, "shape=box, style=rounded")
        lines.append(f"  {name} [label={_in_dot(_label(node))}, {shape}];")
    for source, labels, target in graph.edges():
        label = _in_dot(_shown(", ".join(labels)))
        lines.append(f"  {names[source]} -> {names[target]} [label={label}];")
    return "".join(f"{line}\n" for line in [*lines, "}"])


def _in_dot(label: str) -> str:
    escaped = label.replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;")
    return f'"{escaped}"'


def svg(graph: Graph) -> str:
    """Return a picture, drawn by Graphviz's dot.

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
    return done.stdout.decode()


def _label(node: Node) -> str:
    """Return what a node is called."""
    return f"{_shown(node.name)}{_NOTES.get(node.kind, '')}"


def _shown(name: str) -> str:
    """Return a text with escapes for what cannot be shown."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in name
    )


FORMS: dict[str, Callable[[Graph], str]] = {
    "text": text,
    "mermaid": mermaid,
    "dot": dot,
    "svg": svg,
}
