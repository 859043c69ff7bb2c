"""From units to nodes and edges: what listens, what it starts, what that needs."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from activator.check.commands import run_by
from activator.check.containers import Quadlet
from activator.check.units import Unit, World, expand, service_name
from activator.errors import ActivatorError
from activator.unitfile.unquoting import split_command, words

# Directives that name other units; After= and Before= beside them tell the order.
UNITS = (
    *("Requires", "Requisite", "BindsTo", "Wants", "PartOf", "Upholds", "Conflicts"),
    *("After", "Before"),
)
# Directives that name files and directories: the directory that a relative value is below.
FILES: Mapping[str, str] = {
    "EnvironmentFile": "",
    "WorkingDirectory": "",
    "RootDirectory": "",
    "RootImage": "",
    "Symlinks": "",
    "RuntimeDirectory": "/run",
    "StateDirectory": "/var/lib",
    "CacheDirectory": "/var/cache",
    "LogsDirectory": "/var/log",
    "ConfigurationDirectory": "/etc",
}
COMMANDS = ("ExecStartPre", "ExecStart", "ExecStartPost", "ExecReload", "ExecStop")
USERS = {"SocketUser": "user", "SocketGroup": "group", "User": "user", "Group": "group"}

# Labels of what a proxy does, and of what Quadlet does.
FORWARDS, SERVED = "forwards to", "served by"
MADE = "made of"
_PROXY = "systemd-socket-proxyd"
NOTES = {"ListenDatagram": " (datagram)", "ListenSequentialPacket": " (sequential packet)"}


class Node(NamedTuple):
    """Something in a graph.

    Attributes:
        kind: ``socket``, ``service``, ``unit``, ``missing`` (a unit without a file),
            ``address``, ``file``, ``image``, ``user`` or ``group``.
        name: What it is called.
    """

    kind: str
    name: str


class Graph:
    """Nodes and the labelled edges between them, in the order in which they were found."""

    def __init__(self) -> None:
        self._nodes: dict[Node, dict[Node, list[str]]] = {}

    @property
    def nodes(self) -> list[Node]:
        """Return all nodes, in order."""
        return list(self._nodes)

    def edges(self) -> Iterator[tuple[Node, list[str], Node]]:
        """Yield all edges: source, labels (each a directive or a few words) and target."""
        for source, targets in self._nodes.items():
            for target, labels in targets.items():
                yield source, labels, target

    def leaving(self, node: Node) -> Mapping[Node, list[str]]:
        """Return where a node's edges lead, with their labels, in order."""
        return self._nodes[node]

    def add(self, node: Node) -> Node:
        """Add a node, once, and return it."""
        self._nodes.setdefault(node, {})
        return node

    def connect(self, source: Node, label: str, target: Node) -> None:
        """Add an edge, or a label to the one that is there."""
        self.add(target)
        labels = self._nodes[self.add(source)].setdefault(target, [])
        if label not in labels:
            labels.append(label)


def draw(worlds: Iterable[World], *, sockets_only: bool = False) -> Graph:
    """Return the graph of units, their specifiers expanded as far as their names tell.

    Args:
        worlds: The units; those to look at are drawn, with the sockets that start them.
        sockets_only: Whether services that no socket starts are left out.
    """
    graph = Graph()
    for world in worlds:
        _World(world, graph).draw(sockets_only=sockets_only)
    return graph


class _World:
    """Draws the units of a world."""

    def __init__(self, world: World, graph: Graph) -> None:
        self._world = world
        self._graph = graph
        self._drawn: set[str] = set()

    def draw(self, *, sockets_only: bool) -> None:
        """Draw the sockets, what they start, and services that stand alone."""
        pairs = self._world.pairs
        quadlets = self._world.quadlets
        sockets = [*self._world.sockets, *(pair.socket for pair in pairs)]
        sockets += [socket for made in quadlets for socket in made.sockets(self._world)]
        for socket in dict.fromkeys(sockets):
            self._socket(socket)
            if made := self._world.made(service_name(socket)):
                self._service(made)
        for pair in pairs:
            self._service(pair.service)
        if not sockets_only:
            for made in quadlets:
                self._service(made)
            for unit in self._world.checked:
                if unit.type == "service" and not unit.masked:
                    self._service(unit)

    def _socket(self, unit: Unit) -> None:
        here = self._graph.add(self._node(unit.name))
        for entry in unit.settings.all("Listen"):
            # At one port, streams and datagrams are two.
            note = NOTES.get(entry.name, "")
            address = Node("address", f"{_expanded(entry.value, unit)}{note}")
            self._graph.connect(here, entry.name, address)
        each = unit.settings.on("Accept")
        label = "starts per connection" if each else "starts"
        self._graph.connect(here, label, self._node(service_name(unit)))
        self._needs(unit, here)

    def _service(self, unit: Unit) -> None:
        """Draw a service; what it needs of units that are looked at too is drawn with it."""
        if unit.name not in self._drawn:
            self._drawn.add(unit.name)
            here = self._graph.add(self._node(unit.name))
            if isinstance(unit, Quadlet):
                self._container(unit, here)
            for word in _words(unit, "Sockets"):
                self._graph.connect(here, "Sockets", self._node(word))
            for directive in COMMANDS:
                for program in _programs(unit, directive):
                    self._graph.connect(here, directive, Node("file", program))
            self._needs(unit, here)
            for address in _proxied(unit):
                self._behind(unit, here, address)

    def _behind(self, proxy: Unit, here: Node, address: str) -> None:
        """Draw what a proxy forwards to, and the program there, which it pulls in."""
        target = self._graph.add(Node("address", address))
        self._graph.connect(here, FORWARDS, target)
        names = [*_words(proxy, "Requires"), *_words(proxy, "BindsTo")]
        for name in dict.fromkeys(name for name in names if name.endswith(".service")):
            self._graph.connect(target, SERVED, self._node(name))
            unit = self._world.find(name) or self._world.made(name)
            if unit is not None and not unit.masked:
                self._service(unit)

    def _container(self, unit: Quadlet, here: Node) -> None:
        self._graph.connect(here, MADE, Node("file", unit.file_name))
        if image := unit.key("Image"):
            self._graph.connect(here, "Image", Node("image", image.value))

    def _needs(self, unit: Unit, here: Node) -> None:
        for directive in UNITS:
            for word in _words(unit, directive):
                self._graph.connect(here, directive, self._node(word))
        for directive, kind in USERS.items():
            if name := unit.settings.value(directive):
                self._graph.connect(here, directive, Node(kind, _expanded(name, unit)))
        if unit.settings.on("DynamicUser") and not unit.settings.value("User"):
            self._graph.connect(here, "DynamicUser", Node("user", unit.stem.partition("@")[0]))
        for directive, below in FILES.items():
            for word in _words(unit, directive):
                path = word.partition(":")[0] if below else word.lstrip("-!+")
                full = f"{below}/{path}" if below else path
                self._graph.connect(here, directive, Node("file", full))

    def _node(self, name: str) -> Node:
        """Return the node of a unit; its type tells how it looks."""
        kind = name.rpartition(".")[2]
        found = self._world.find(name) or self._world.made(name)
        if found is not None:
            name = found.name
        elif kind in ("socket", "service"):
            return Node("missing", name)
        return Node(kind if kind in ("socket", "service") else "unit", name)


def _words(unit: Unit, directive: str) -> Iterator[str]:
    """Yield the words of a directive's lines, specifiers expanded."""
    for entry in unit.settings.all(directive):
        try:
            found = list(words(entry.value))
        except ActivatorError:
            found = entry.value.split()
        yield from (_expanded(word, unit) for word in found)


def _programs(unit: Unit, directive: str) -> Iterator[str]:
    """Yield the programs that a directive starts, without the characters in front."""
    for entry in unit.settings.all(directive):
        try:
            for command in split_command(entry.value):
                yield _expanded(command.path, unit)
        except ActivatorError:
            continue


def _proxied(unit: Unit) -> Iterator[str]:
    """Yield the addresses that a service forwards its connections to."""
    for entry in unit.settings.all("ExecStart"):
        for name, arguments in run_by(entry.value):
            words = [word for word in arguments if not word.startswith("-")]
            if name == _PROXY and words:
                yield _expanded(words[-1], unit)


def _expanded(text: str, unit: Unit) -> str:
    """Return a text with the specifiers of the unit's name; what is not known stays."""
    return expand(text, unit) or text
