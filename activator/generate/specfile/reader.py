"""Reads one spec, collecting every mistake with its place."""

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeVar

from activator.errors import ActivatorError, combine
from activator.generate.specfile import (
    addresses,
    command,
    directories,
    ending,
    handlers,
    intents,
    metrics,
    names,
    programs,
    target,
)
from activator.generate.specfile.directives import Newer, read_table
from activator.generate.specfile.source import OptionSource, TomlSource
from activator.generate.specfile.spec import (
    Begun,
    Container,
    Mode,
    Path,
    Processes,
    Proxy,
    Setting,
    Socket,
    Spec,
)
from activator.unitfile import directives, quoting

# Key → the runtime's option.
LIMITS = {
    "threads": "--threads",
    "connections-max": "--max-connections",
    "connections-per-source-max": "--max-per-source",
    "message-max": "--message-max",
}
# Tables of a spec, and of a socket, that hold directives of these sections.
SERVICE_TABLES = {"unit": "Unit", "service": "Service", "install": "Install"}
SOCKET_TABLES = {"unit": "Unit", "install": "Install"}
# Keys about the runtime's processes.
WORKERS = ("workers", "worker-max-connections", "worker-max-memory")
PROCESSES = frozenset({*WORKERS, "hand-over", "time-limit", "limits", "cgroup"})
# Set by the generator from the spec's intents; a second place to say it would contradict.
RESERVED = {
    ("Socket", "Accept"): 'mode = "shared" or "per-connection" decides it',
    ("Socket", "FileDescriptorName"): "the table's name, [sockets.NAME], is it",
    ("Socket", "Service"): "the spec's name decides it",
    ("Service", "ExecStart"): "exec = ... or handler = ... decides it",
}

T = TypeVar("T")


class Reader:
    """Reads one spec.

    Args:
        source: Its values and their places.
        drop: Whether to leave out what only a later systemd knows, and note it.
    """

    def __init__(self, source: TomlSource | OptionSource, *, drop: bool = False) -> None:
        self.source = source
        self.drop = drop
        self.notes: list[str] = []
        self.tree = source.tree
        self.problems: list[ActivatorError] = []
        self.right: set[str] = set()  # the keys whose values have the right type
        self.values = dict(intents.defaults())  # with these values in place
        self.version = directives.OLDEST

    def read(self) -> Spec:
        """Return the spec.

        Raises:
            ActivatorError: The only mistake, or :class:`Problems` with all of them.
        """
        self._check_keys()
        if "systemd" in self.tree:
            value = self._get("systemd")
            self.version = self._attempt(("systemd",), target.version, value) or (directives.OLDEST)
        name = "service"
        if self._get("name") is not None:
            name = self._attempt(("name",), names.unit_prefix, self._get("name")) or name
        mode = Mode(self._get("mode"))
        sockets = tuple(self._sockets(mode))
        settings = tuple(self._service_settings())
        spec = Spec(
            name=name,
            description=self._description(name),
            mode=mode,
            command=self._command(),
            handlers=tuple(handlers.read(self.values, self._note)),
            sockets=sockets,
            settings=settings,
            environment=tuple(self._environment()),
            metrics=self._get("metrics") or "",
            python=self._absolute("python"),
            app_dir=self._absolute("app-dir"),
            ending=ending.read(self.tree, self.values, mode, self._problem),
            log_level=self._log_level(),
            limits=tuple(self._limits(mode)),
            idle_exit=self._idle_exit(mode),
            hardening=self._get("hardening"),
            needs=self._needs(),
            proxy=self._proxy(sockets, settings),
            container=self._container(settings),
            processes=self._processes(sockets),
            begun=self._begun(sockets),
            systemd=self.version,
            source=self.source.name,
            notes=tuple(self.notes),
            place=self.source.place,
        )
        if spec.container is None:
            spec = programs.opened(spec)
        else:
            from activator.generate.specfile import container  # noqa: PLC0415 - few specs have one

            spec = container.checked(spec, spec.container, self._note)
        handlers.check(spec, self._note)
        if spec.metrics:
            metrics.check(spec, self._note)
        if self._get("isolation") == "process":
            from activator.generate.specfile import processes  # noqa: PLC0415 - few specs do

            processes.check(spec, self._note)
        directories.check(spec, self._note)
        addresses.check(spec, self._note)
        if spec.needs:
            from activator.generate.specfile import needs  # noqa: PLC0415 - few specs have any

            needs.check(spec, self._note)
        if self.problems:
            raise combine(sorted(self.problems, key=_line))
        return spec

    # --- helpers -----------------------------------------------------------------------

    def _note(self, error: ActivatorError, path: Path) -> None:
        """Note a mistake at a path; what may be left out is no mistake."""
        error.at(self.source.place(path))
        if self.drop and isinstance(error, Newer):
            self.notes.append(f"{error.place}: left out: {error.message}")
        else:
            self.problems.append(error)

    def _problem(self, path: Path, message: str, hint: str) -> None:
        """Note a mistake at a path, in words."""
        self._note(ActivatorError(message, hint), path)

    def _attempt(self, path: Path, step: Callable[..., T], *arguments: Any) -> T | None:
        """Return what a step gives, or None after noting its error."""
        try:
            return step(*arguments)
        except ActivatorError as error:
            self._note(error, path)
            return None

    def _get(self, key: str) -> Any:
        """Return a key's value if it is right, else the table's default."""
        return self.values[key]

    def _check_keys(self) -> None:
        """Note unknown keys, wrong types and missing keys."""
        for key, value in self.tree.items():
            try:
                intents.check(key, value)
            except ActivatorError as error:
                self._note(error, (key,))
            else:
                self.right.add(key)
                self.values[key] = value
        if "name" not in self.tree:
            self._problem((), "the spec has no name", 'add name = "..."')
        if not self.tree.get("sockets"):
            self._problem(("sockets",), "the spec has no socket", "add a [sockets.NAME] table")
        given = [key for key in intents.HANDLERS if key in self.tree]
        if "image" not in self.tree and ("exec" in self.tree) is bool(given):
            first = given[0] if given else ""
            what = f"both exec and {first}" if given else "neither exec nor handler"
            hint = 'give one: exec = "/path/program" or handler = "module:function"'
            self._problem((first,) if given else (), f"the spec has {what}", hint)
        whole = [key for key in given if isinstance(self.tree[key], str)]
        if whole and len(given) > 1:
            what = f"{whole[0]} is for all sockets, and there is {' and '.join(given)}"
            self._problem((whole[0],), what, "give each as a table: fdname = 'module:name'")

    # --- the service -------------------------------------------------------------------

    def _description(self, name: str) -> str:
        """Return the description, checked for what no unit can hold."""
        text = self._get("description") or name
        self._attempt(("description",), quoting.raw, text, "the description")
        return text

    def _command(self) -> str:
        """Return the value of ExecStart= that ``exec`` asks for."""
        value = self._get("exec")
        if value is None:
            return ""
        contained = "image" in self.tree
        step = partial(command.written, contained=contained)
        return self._attempt(("exec",), step, value, self.version) or ""

    def _service_settings(self) -> Iterator[Setting]:
        """Yield the directives given for the service."""
        for key, section in SERVICE_TABLES.items():
            if key in self.tree and isinstance(self.tree[key], dict):
                yield from self._settings(self.tree[key], section, (key,))

    def _environment(self) -> Iterator[tuple[str, str]]:
        """Yield the variables, checked for what no unit can hold."""
        for name, value in (self._get("environment") or {}).items():
            path = ("environment", name)
            if not isinstance(value, str):
                self._problem(path, f"the variable {name} is not a string", "give a string")
            elif self._attempt(path, quoting.assignment, name, value):
                yield name, value

    def _needs(self) -> tuple[str, ...]:
        """Return what is open in spite of the hardening."""
        items = self._get("needs")
        if not items:
            return ()
        from activator.generate.specfile import needs  # noqa: PLC0415 - few specs have any

        contained = "image" in self.tree
        return tuple(needs.read(items, self.version, self._note, contained=contained))

    def _proxy(self, sockets: tuple[Socket, ...], settings: tuple[Setting, ...]) -> Proxy | None:
        """Return what mode "proxy" needs, and note its keys where they have no place."""
        known = intents.intents()
        own = any(key in known and known[key].modes for key in self.tree)
        if not own and self._get("mode") != Mode.PROXY.value:
            return None
        from activator.generate.specfile import proxy  # noqa: PLC0415 - few specs have one

        return proxy.read(self.tree, sockets, settings, self.version, self._note)

    def _container(self, settings: tuple[Setting, ...]) -> Container | None:
        """Return the container that the service is, and note its keys where there is none."""
        given = {key: value for key, value in self.tree.items() if key in self.right}
        if not {"image", "container", "podman"} & given.keys():
            return None
        from activator.generate.specfile import container  # noqa: PLC0415 - few specs have one

        return container.read(given, self.version, settings, self._note)

    def _processes(self, sockets: tuple[Socket, ...]) -> Processes:
        """Return how the runtime divides the work."""
        given = {key: self.tree[key] for key in PROCESSES & self.right}
        if not given:
            return Processes()
        from activator.generate.specfile import processes  # noqa: PLC0415 - few specs have any

        service = self.tree.get("service")
        delegated = isinstance(service, dict) and "Delegate" in service
        if "cgroup" in given and not delegated and "cgroups" not in (self._get("needs") or ()):
            what = "cgroup needs a part of the cgroup tree that is delegated to the service"
            self._problem(("cgroup",), what, 'add needs = ["cgroups"]')
        program = not any(key in self.tree for key in intents.HANDLERS)
        return processes.read(given, sockets, program=program, report=self._note)

    def _begun(self, sockets: tuple[Socket, ...]) -> Begun:
        """Return what connections begin with."""
        if not {"tls", "proxy-protocol"} & self.right:
            return Begun()
        from activator.generate.specfile import begun  # noqa: PLC0415 - few specs have any

        return begun.read(self.tree, sockets, self._note)

    def _absolute(self, key: str) -> str:
        """Return an absolute path, or nothing."""
        value = self._get(key)
        return self._attempt((key,), names.absolute, value) or "" if value else ""

    def _log_level(self) -> str:
        """Return which records are told."""
        key = "log-level"
        if key in self.tree and not any(name in self.tree for name in intents.HANDLERS):
            self._problem((key,), f"{key} is for {', '.join(intents.HANDLERS)}", "leave it out")
        return str(self._get(key))

    def _limits(self, mode: Mode) -> Iterator[tuple[str, str]]:
        """Yield what limits a handler of shared sockets: the runtime's options."""
        for key, option in LIMITS.items():
            if key not in self.right or (mode is Mode.PROXY and key == "connections-max"):
                continue
            if mode is Mode.SHARED and any(name in self.tree for name in intents.HANDLERS):
                if not self.tree[key]:
                    self._problem((key,), f"{key} = 0 would serve nobody", "give 1 or more")
                yield option, str(self.tree[key])
            elif key != "connections-max":  # which is told with the proxy's keys
                self._problem((key,), f"{key} is for a handler of shared sockets", "leave it out")

    def _idle_exit(self, mode: Mode) -> float:
        """Return how long a handler stays unused: seconds; 0 for ever."""
        value = self.tree.get("idle-exit")
        stays = any(key in self.tree for key in intents.HANDLERS)
        stays = stays or self._get("isolation") == "process"
        if mode is Mode.PROXY or not stays or "idle-exit" not in self.right:
            return 0.0
        from activator.generate.specfile.proxy import timespan  # noqa: PLC0415 - few specs have one
        from activator.unitfile.values.times import to_microseconds  # noqa: PLC0415 - the same

        text = self._attempt(("idle-exit",), timespan, value)
        seconds = (to_microseconds(text) or 0.0) / 1e6 if text else 0.0
        if text and not seconds:
            hint = 'give a time span, as "10min", or leave it out'
            self._problem(("idle-exit",), "idle-exit = 0 would stop at once", hint)
        return 0.0 if math.isinf(seconds) else seconds

    # --- the sockets -------------------------------------------------------------------

    def _sockets(self, mode: Mode) -> Iterator[Socket]:
        """Yield the sockets, in the spec's order."""
        for fdname, table in (self._get("sockets") or {}).items():
            path: Path = ("sockets", fdname)
            if not isinstance(table, dict):
                hint = f"write [sockets.{fdname}] and its directives below it"
                self._problem(path, f"sockets.{fdname} is not a table", hint)
                continue
            self._attempt(path, names.fdname, fdname)
            own = self._socket_mode(table, mode, path)
            if own is Mode.PER_CONNECTION and self._get("isolation") == "process":
                own = Mode.WARM
            yield Socket(fdname, own, tuple(self._socket_settings(table, path)))

    def _socket_mode(self, table: dict[str, Any], mode: Mode, path: Path) -> Mode:
        """Return how connections of a socket are taken; a proxy takes them shared."""
        default = Mode.SHARED if mode is Mode.PROXY else mode
        own = table.get("mode", default.value)
        try:
            intents.check("mode", own)
        except ActivatorError as error:
            self._note(error, (*path, "mode"))
            return default
        if Mode.PROXY in (mode, Mode(own)) and "mode" in table:
            hint = "remove it" if mode is Mode.PROXY else 'write mode = "proxy" at the top'
            self._problem((*path, "mode"), "a proxy takes the connections of all sockets", hint)
            return default
        return Mode(own)

    def _socket_settings(self, table: dict[str, Any], path: Path) -> Iterator[Setting]:
        """Yield a socket's directives."""
        own = {
            name: value
            for name, value in table.items()
            if name != "mode" and name not in SOCKET_TABLES
        }
        if not any(name.startswith("Listen") for name in own):
            hint = 'add an address, as in ListenStream = "127.0.0.1:7777"'
            self._problem(path, f"socket {path[-1]!r} listens on nothing", hint)
        yield from self._settings(own, "Socket", path)
        for key, section in SOCKET_TABLES.items():
            if key in table:
                yield from self._settings(table[key], section, (*path, key))

    def _settings(self, table: Any, section: str, path: Path) -> Iterator[Setting]:
        """Yield a table's directives, but those that the spec's intents decide."""
        for setting in read_table(table, section, path, self.version, self._note):
            reserved = RESERVED.get((section, setting.name))
            if reserved:
                self._problem(setting.path, f"{setting.name}= is not set here", reserved)
            else:
                yield setting


def _line(error: ActivatorError) -> int:
    """Return the line of an error's place, so that errors are shown in the file's order."""
    line = error.place.rpartition(":")[2]
    return int(line) if line.isdigit() else 0
