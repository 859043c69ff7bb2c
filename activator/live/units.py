"""Sockets and the services they start, as the manager has them."""

import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from activator.errors import ActivatorError
from activator.live.escapes import unescaped, words
from activator.live.kernel import Held, backlog_max, held
from activator.live.manager import Manager
from activator.live.paths import status
from activator.live.processes import Process, of_group

_COMMON = (
    *("Id", "LoadState", "LoadError", "ActiveState", "SubState", "Result", "UnitFileState"),
    *("FragmentPath", "DropInPaths", "NeedDaemonReload", "InvocationID", "ConditionResult"),
    *("ConditionTimestampMonotonic", "AssertResult"),
    *("ActiveEnterTimestamp", "ActiveEnterTimestampMonotonic"),
    *("StateChangeTimestamp", "StateChangeTimestampMonotonic"),
    # What the unit's own sockets took and sent, with IPAccounting=.
    *("IPIngressBytes", "IPIngressPackets", "IPEgressBytes", "IPEgressPackets"),
)
_SOCKET = (
    *("Listen", "Accept", "Triggers", "NConnections", "NAccepted", "NRefused", "MaxConnections"),
    *("Backlog", "ReceiveBuffer", "SendBuffer", "SocketUser", "SocketGroup"),
    *("TriggerLimitBurst", "TriggerLimitIntervalUSec", "FileDescriptorName"),
    *("Requires", "BindsTo", "Requisite"),
)
_SERVICE = (
    *(
        "MainPID",
        "NRestarts",
        "ExecMainCode",
        "ExecMainStatus",
        "ControlGroup",
        "StatusText",
        "User",
    ),
    *("ExecMainStartTimestampMonotonic", "ExecMainExitTimestampMonotonic", "ExecStart", "Type"),
    *("RuntimeDirectory", "RuntimeDirectoryPreserve", "BindsTo"),
    *("Requires", "TimeoutStopUSec", "StandardInput", "Requisite", "PIDFile", "BusName"),
    *("TimeoutStartUSec", "RestartUSec", "RestartUSecNext", "ControlPID", "Job", "ReloadResult"),
    *("FreezerState", "After"),
)
_UNSET = 2**64 - 1
# How long before a unit's failure its reason may have been logged: seconds.
_BEFORE_S = 300.0
KINDS = {
    "Stream": "stream",
    "Datagram": "datagram",
    "SequentialPacket": "sequential-packet",
    "FIFO": "fifo",
    "Special": "special",
    "Netlink": "netlink",
    "MessageQueue": "message-queue",
    "USBFunction": "usb-function",
}


class Listen(NamedTuple):
    """An address of a socket unit, as systemd has it.

    Attributes:
        address: As ``Listen=`` of systemctl shows it, without its escapes.
        kind: A value of :data:`KINDS`.
    """

    address: str
    kind: str


class Unit:
    """A unit's properties.

    Args:
        values: Property → value, as systemctl shows it.
        manager: Who said so.
    """

    def __init__(self, values: dict[str, str], manager: Manager) -> None:
        self.values = values
        self._manager = manager
        self.user = manager.user
        self.name = values["Id"]

    def __getitem__(self, name: str) -> str:
        return self.values.get(name, "")

    def number(self, name: str) -> int:
        """Return a property that is a number; -1 if it is none."""
        text = self[name]
        # The largest number stands for "not set" and "not known".
        return int(text) if text.isdecimal() and int(text) < _UNSET else -1

    @property
    def up(self) -> bool:
        """Tell whether it is active, or on its way there or back."""
        return self["ActiveState"] not in ("inactive", "failed", "")

    @property
    def settled(self) -> bool:
        """Tell whether it is active, and neither on its way there nor back."""
        return self["ActiveState"] == "active"

    @property
    def failed(self) -> bool:
        """Tell whether it has failed."""
        return self["ActiveState"] == "failed"

    @property
    def since(self) -> float:
        """Return when it became active, in seconds since the epoch; 0 if never."""
        return self._manager.since(
            self["ActiveEnterTimestamp"], self["ActiveEnterTimestampMonotonic"]
        )

    @property
    def changed(self) -> float:
        """Return when its state changed last, in seconds since the epoch; 0 if never."""
        return self._manager.since(
            self["StateChangeTimestamp"], self["StateChangeTimestampMonotonic"]
        )

    @property
    def arguments(self) -> list[str]:
        """Return the words of its first ExecStart=, as far as systemctl shows where they end."""
        found = re.search(r"argv\[\]=(.*?) ; ignore_errors=", self["ExecStart"])
        return found[1].split() if found else []

    @cached_property
    def processes(self) -> list[Process]:
        """Return the processes that it has."""
        return of_group(self["ControlGroup"])

    @property
    def files(self) -> list[str]:
        """Return the files that it was loaded from."""
        return [path for path in (self["FragmentPath"], *words(self["DropInPaths"])) if path]

    @cached_property
    def unread(self) -> list[str]:
        """Return the files that the manager has not read since they were changed; empty if none.

        systemd 252 does not count the first drop-in of a unit for NeedDaemonReload=, so what is on
        disk is compared with what was loaded.
        """
        if self["LoadState"] == "not-found":
            return []
        read = {Path(path).name for path in words(self["DropInPaths"])}
        new = [path for path in self._manager.drop_ins(self.name) if path.name not in read]
        if new:
            return list(map(str, new))
        return self.files if self["NeedDaemonReload"] == "yes" else []

    @property
    def modified(self) -> float:
        """Return when the last of its files was changed, in seconds since the epoch; 0 if none."""
        found = map(status, self.files)
        return max((each.st_mtime for each in found if each is not None), default=0.0)

    def more(self, names: Iterable[str]) -> dict[str, str]:
        """Return further properties, asked for as they are wanted; what it lacks is empty.

        Raises:
            ActivatorError: The manager does not answer.
        """
        missing = [name for name in dict.fromkeys(names) if name not in self.values]
        for row in self._manager.properties([self.name], missing) if missing else ():
            self.values |= row
        return {name: self[name] for name in names}

    @cached_property
    def reason(self) -> str:
        """Return why it failed last, in one line; empty if that is not known."""
        try:
            return self._manager.reason(
                self.name, max(self.changed - _BEFORE_S, 0.0), self["InvocationID"]
            )
        except ActivatorError:
            return ""


class Socket(Unit):
    """A socket, the service or services it starts, and what the kernel has for it.

    Args:
        values: Property → value.
        services: The service, or with Accept=yes the instances that are loaded.
        situation: All that is known.
    """

    def __init__(
        self, values: dict[str, str], services: list[Unit], situation: "Situation"
    ) -> None:
        super().__init__(values, situation.manager)
        self.services = services
        self.backends: list[Unit] = []
        self._situation = situation

    @property
    def served_by(self) -> list[Unit]:
        """Return its services, and the programs behind them."""
        return [*self.services, *self.backends]

    @property
    def accepts(self) -> bool:
        """Tell whether systemd accepts, and starts an instance for each connection."""
        return self["Accept"] == "yes"

    @property
    def service_name(self) -> str:
        """Return the service's name, or the template's."""
        if self.accepts:
            stem = self.name.removesuffix(".socket").partition("@")[0]
            return f"{stem}@.service"
        first = (name for name in words(self["Triggers"]) if name.endswith(".service"))
        return next(first, f"{self.name.removesuffix('.socket')}.service")

    @property
    def pattern(self) -> str:
        """Return the name by which systemctl finds its services."""
        return self.service_name.replace("@.service", "@*.service")

    @property
    def service(self) -> Unit | None:
        """Return its one service, with Accept=no."""
        return None if self.accepts or not self.services else self.services[0]

    @property
    def listens(self) -> list[Listen]:
        """Return its addresses, in order."""
        found = []
        for line in filter(None, self["Listen"].split("\n")):
            address, _, kind = line.rpartition(" (")
            found.append(Listen(unescaped(address), KINDS.get(kind.rstrip(")"), kind.rstrip(")"))))
        return found

    @property
    def held(self) -> list[Held]:
        """Return what the kernel holds at its addresses."""
        return [one for listen in self.listens for one in self.held_at(listen)]

    def held_at(self, listen: Listen) -> list[Held]:
        """Return what the kernel holds at one of its addresses: several with ReusePort=."""
        address = _plain(listen.address)
        kind = "datagram" if listen.kind == "datagram" else "stream"
        return [one for one in self._situation.held if (one.address, one.kind) == (address, kind)]

    @property
    def queue_max(self) -> int:
        """Return how many connections can wait: Backlog=, as far as the kernel allows."""
        backlog = self.number("Backlog")
        allowed = backlog_max()
        return allowed if backlog < 0 else min(backlog, allowed)

    @cached_property
    def processes(self) -> list[Process]:
        """Return the processes of its services."""
        return [process for service in self.services for process in service.processes]

    @property
    def backend_address(self) -> str:
        """Return where its service leads clients, if that is systemd-socket-proxyd."""
        arguments = self.service.arguments if self.service else []
        if not arguments or not arguments[0].endswith("/systemd-socket-proxyd"):
            return ""
        return arguments[-1]

    @cached_property
    def behind(self) -> list[Held]:
        """Return what listens in the network namespace of its service and the program behind."""
        units = [unit for unit in (*self.backends, *self.services) if unit.number("MainPID") > 0]
        return held(units[0].number("MainPID")) if units else self._situation.held


class Situation:
    """Some sockets, all there is to know of them, asked for once.

    Args:
        manager: Who to ask.
        names: The sockets, or services that a socket starts; all loaded sockets if there are
            none.

    Raises:
        ActivatorError: The manager cannot be asked, or has no such socket.
    """

    def __init__(self, manager: Manager, names: Sequence[str] = ()) -> None:
        self.manager = manager
        self.asked = bool(names)
        wanted = [_socket_name(name) for name in names] or manager.loaded("socket")
        rows = manager.properties(wanted, (*_COMMON, *_SOCKET))
        for row in rows:
            if names and row["LoadState"] == "not-found":
                raise ActivatorError(
                    f"there is no {row['Id']}", "see: systemctl list-unit-files --type=socket"
                )
        rows = [row for row in rows if row["LoadState"] != "not-found"]
        self.sockets = [Socket(row, [], self) for row in rows]
        patterns = list(dict.fromkeys(socket.pattern for socket in self.sockets))
        services = manager.properties(patterns, (*_COMMON, *_SERVICE))
        for socket in self.sockets:
            socket.services = [Unit(row, manager) for row in services if _is_of(row["Id"], socket)]
        proxied = {socket: _required(socket) for socket in self.sockets if socket.backend_address}
        names = list(dict.fromkeys(name for found in proxied.values() for name in found))
        behind = manager.properties(names, (*_COMMON, *_SERVICE))
        for socket, found in proxied.items():
            socket.backends = [Unit(row, manager) for row in behind if row["Id"] in found]

    @cached_property
    def held(self) -> list[Held]:
        """What the kernel holds in this network namespace."""
        return held()

    def others(self, names: Sequence[str]) -> list[Unit]:
        """Return further units.

        Raises:
            ActivatorError: The manager cannot be asked.
        """
        rows = self.manager.properties(names, (*_COMMON, *_SERVICE))
        return [Unit(row, self.manager) for row in rows]

    @cached_property
    def everything(self) -> list[Socket]:
        """All sockets that the manager has loaded."""
        return self.sockets if not self.asked else Situation(self.manager).sockets


def _is_of(service: str, socket: Socket) -> bool:
    """Tell whether a service is that of a socket, or one of its instances."""
    if not socket.accepts:
        return service == socket.service_name
    return service.startswith(socket.service_name.removesuffix(".service"))


def _required(socket: Socket) -> list[str]:
    """Return the services without which a proxy does not run: the programs behind it."""
    proxy = socket.service
    named = words(f"{proxy['BindsTo']} {proxy['Requires']}") if proxy else []
    return [name for name in named if name.endswith(".service")]


def _socket_name(name: str) -> str:
    """Return a socket's name: that given, or the one beside a service."""
    if name.endswith(".service"):
        name = name.removesuffix(".service").partition("@")[0]
    return name if name.endswith(".socket") else f"{name}.socket"


def _plain(address: str) -> str:
    """Return an address as /proc has it: a port alone is one of all, and no interface is told."""
    if address.isdecimal():
        return f"[::]:{address}"
    return re.sub("%[^]]*", "", address) if address.startswith("[") else address
