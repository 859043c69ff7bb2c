r"""The forms of a graph that are text: a tree, and Mermaid.

Names are data: each form escapes what would mean something in it, and what cannot be shown
is written as ``\xNN``.

Source: Mermaid's "Entity codes to escape characters".
"""

from collections.abc import Iterator

from activator.check.graph.edges import FORWARDS, SERVED, Graph, Node
from activator.unitfile.kinds import KINDS

# Kind → shape in Mermaid: what stands left and right of the label.
_MERMAID = {
    "socket": ("([", "])"),
    "service": ("[", "]"),
    "address": (">", "]"),
    "missing": ("{{", "}}"),
    "file": ("[/", "/]"),
    "image": ("[(", ")]"),
    "user": ("((", "))"),
    "group": ("((", "))"),
}
# What Mermaid takes as it is.
_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 ._/=,+-")
# Labels of the way that a client comes.
WAY = frozenset({*KINDS, "starts", "starts per connection", FORWARDS, SERVED})
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
            lines.append(called(node))
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
        yield f"{indent}{'└─' if last else '├─'} {shown(label)}  {called(target)}{note}"
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
        lines.append(f'  {name}{left}"{_in_mermaid(called(node))}"{right}')
    for source, labels, target in along(graph):
        label = _in_mermaid(shown(", ".join(labels)))
        lines.append(f'  {names[source]} -->|"{label}"| {names[target]}')
    return "".join(f"{line}\n" for line in lines)


def _in_mermaid(label: str) -> str:
    return "".join(char if char in _PLAIN else f"#{ord(char)};" for char in label)


def along(graph: Graph) -> Iterator[tuple[Node, list[str], Node]]:
    """Yield the edges in the direction in which clients come: from an address to its socket.

    What a service needs of its own socket is told at that arrow, and is none that leads back.
    """
    edges = [_turned(edge) for edge in graph.edges()]
    ways = {(source, target) for source, labels, target in edges if is_way(labels)}
    back = {(source, target): labels for source, labels, target in edges}
    for source, labels, target in edges:
        if (target, source) in ways and not is_way(labels):
            continue
        told = []
        if (source, target) in ways and not is_way(back.get((target, source), [*WAY])):
            told = [f"← {label}" for label in back[target, source]]
        yield source, [*labels, *told], target


def _turned(edge: tuple[Node, list[str], Node]) -> tuple[Node, list[str], Node]:
    source, labels, target = edge
    if target.kind == "address" and set(labels) <= set(KINDS):
        return target, labels, source
    return edge


def is_way(labels: list[str]) -> bool:
    """Tell whether clients come along an edge."""
    return not WAY.isdisjoint(labels)


def called(node: Node) -> str:
    """Return what a node is called."""
    return f"{shown(node.name)}{_NOTES.get(node.kind, '')}"


def shown(name: str) -> str:
    """Return a text with escapes for what cannot be shown."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in name
    )
