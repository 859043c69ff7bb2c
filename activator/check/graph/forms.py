r"""The forms of a graph: a tree of text, Mermaid, DOT, and SVG through Graphviz.

Names are data: each form escapes what would mean something in it, and what cannot be shown
is written as ``\xNN``.

Source: Mermaid's "Entity codes to escape characters"; Graphviz's "The DOT Language" and its
escString, in which ``&`` begins an HTML entity.
"""

import subprocess
from collections.abc import Callable, Iterator

from activator.check.graph.edges import COMMANDS, FILES, FORWARDS, SERVED, USERS, Graph, Node
from activator.errors import ActivatorError
from activator.unitfile.address import KINDS

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
_FONT = 'fontname="Helvetica,Arial,sans-serif"'
_LOOK = (
    'graph [rankdir=LR, ranksep=0.7, nodesep=0.2, pad=0.2, bgcolor="white"]',
    f'node [{_FONT}, fontsize=11, style=filled, penwidth=1.2, margin="0.14,0.06", height=0.35]',
    f'edge [{_FONT}, fontsize=9, color="#52606d", fontcolor="#52606d", arrowsize=0.7]',
)
# Kind → shape and colours: what listens is blue, what runs is green, what is missing is red.
_DOT = {
    "socket": 'shape=box, style="filled,rounded", color="#1f6feb", fillcolor="#dbeafe"',
    "service": 'shape=box, color="#1a7f37", fillcolor="#dcfce7"',
    "address": 'shape=cds, color="#9a6700", fillcolor="#fef3c7"',
    "missing": 'shape=box, style="filled,dashed", color="#cf222e", fillcolor="#fee2e2"',
    "file": 'shape=note, color="#6e7781", fillcolor="#f6f8fa"',
    "user": 'shape=egg, color="#8250df", fillcolor="#f3e8ff"',
    "group": 'shape=egg, color="#8250df", fillcolor="#f3e8ff"',
}
_OTHER = 'shape=box, style="filled,rounded", color="#6e7781", fillcolor="#ffffff"'
# Labels → how their arrows look: the way of a client stands out, needs are dashed.
_EDGES = (
    (
        {*KINDS, "starts", "starts per connection", FORWARDS, SERVED},
        ', color="#1f2328", fontcolor="#1f2328", penwidth=1.6',
    ),
    ({*COMMANDS, *FILES, *USERS, "DynamicUser"}, ""),
)
_NEED = ", style=dashed"
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
            lines += _below(graph, node, seen)
    return "".join(f"{line}\n" for line in lines)


def _below(graph: Graph, root: Node, seen: set[Node]) -> Iterator[str]:
    """Yield the lines below a node."""
    seen.add(root)
    # Without recursion: units that need each other make chains of any length.
    stack = [("", _branches(graph, root))]
    while stack:
        indent, branches = stack[-1]
        branch = next(branches, None)
        if branch is None:
            stack.pop()
            continue
        label, target, last = branch
        told = bool(target in seen and graph.leaving(target))
        note = " (see above)" if told else ""
        yield f"{indent}{'└─' if last else '├─'} {label}  {_label(target)}{note}"
        if not told:
            seen.add(target)
            stack.append((indent + ("   " if last else "│  "), _branches(graph, target)))


def _branches(graph: Graph, node: Node) -> Iterator[tuple[str, Node, bool]]:
    """Yield what leaves a node: the label, padded, where it leads, and whether it is the last."""
    edges = graph.leaving(node)
    width = max((len(", ".join(labels)) for labels in edges.values()), default=0)
    for number, (target, labels) in enumerate(edges.items(), 1):
        yield ", ".join(labels).ljust(min(width, 24)), target, number == len(edges)


def mermaid(graph: Graph) -> str:
    """Return a flow chart for Mermaid."""
    names = {node: f"n{number}" for number, node in enumerate(graph.nodes)}
    lines = ["flowchart LR"]
    for node, name in names.items():
        left, right = _MERMAID.get(node.kind, ("(", ")"))
        lines.append(f'  {name}{left}"{_in_mermaid(_label(node))}"{right}')
    for source, labels, target in _along(graph):
        label = _in_mermaid(_shown(", ".join(labels)))
        lines.append(f'  {names[source]} -->|"{label}"| {names[target]}')
    return "".join(f"{line}\n" for line in lines)


def _in_mermaid(label: str) -> str:
    return "".join(char if char in _PLAIN else f"#{ord(char)};" for char in label)


def _along(graph: Graph) -> Iterator[tuple[Node, list[str], Node]]:
    """Yield the edges in the direction in which clients come: from an address to its socket."""
    for source, labels, target in graph.edges():
        if target.kind == "address" and set(labels) <= set(KINDS):
            yield target, labels, source
        else:
            yield source, labels, target


def dot(graph: Graph) -> str:
    """Return a directed graph in Graphviz's language."""
    names = {node: f"n{number}" for number, node in enumerate(graph.nodes)}
    lines = ["digraph activator {", *(f"  {line};" for line in _LOOK)]
    for node, name in names.items():
        look = _DOT.get(node.kind, _OTHER)
        lines.append(f"  {name} [label={_in_dot(_label(node))}, {look}];")
    order = {node: number for number, node in enumerate(graph.nodes)}
    for source, labels, target in _along(graph):
        look = next((look for words, look in _EDGES if words & set(labels)), _NEED)
        # What leads back to a unit that was there before does not move it.
        back = look == _NEED and order[target] < order[source]
        attributes = f"label={_in_dot(_shown(', '.join(labels)))}{look}"
        attributes += ", constraint=false" * back
        lines.append(f"  {names[source]} -> {names[target]} [{attributes}];")
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
