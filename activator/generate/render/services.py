"""The service units of a spec: ``NAME.service`` and ``NAME@.service``."""

import math
from collections.abc import Iterator, Mapping

from activator.generate.render import defaults, hardening, sockets
from activator.generate.render.lines import Line, Unit, line, sections
from activator.generate.specfile.spec import Ending, Mode, Socket, Spec
from activator.unitfile import quoting

# Seconds between the end of the drain and the kill: time to end the process itself.
STOP_MARGIN = 5
# The runtime's own drain limit, and level of records, which a unit need not repeat.
RUNTIME_DRAIN = 30.0
RUNTIME_LOG_LEVEL = "info"


def units(spec: Spec) -> Iterator[Unit]:
    """Yield the service for the shared sockets, then a template for each other one."""
    shared = [socket for socket in spec.sockets if socket.mode is Mode.SHARED]
    if shared:
        names = [f"{sockets.prefix(spec, socket)}.socket" for socket in shared]
        yield _unit(spec, sockets.service(spec), Mode.SHARED, shared, " ".join(names))
    for socket in spec.sockets:
        if socket.mode is Mode.PER_CONNECTION:
            name = f"{sockets.prefix(spec, socket)}@.service"
            yield _unit(spec, name, Mode.PER_CONNECTION, [socket], "")
        elif socket.mode is Mode.WARM:
            name = sockets.prefix(spec, socket)
            yield _unit(spec, f"{name}.service", Mode.WARM, [socket], f"{name}.socket")


def _unit(spec: Spec, name: str, mode: Mode, served: list[Socket], required: str) -> Unit:
    """Return one service unit that gets the sockets."""
    conditions = {mode.value, "handler" if spec.handlers else "exec"}
    if mode is Mode.WARM:
        conditions = {mode.value, Mode.SHARED.value, "handler"}  # the runtime in either case
    start = [line("Service", "ExecStart", command(spec, mode, served)), *_credentials(spec)]
    if spec.begun.cert:
        conditions |= {"tls"}
    if spec.processes.count(mode) and not _reloads_by_signal(spec):
        conditions |= {"hand-over"}
    elif spec.begun.cert and not _reloads_by_signal(spec):
        conditions |= {"tls-alone"}
    terms = {"sockets": required, "reload": f"{quoting.command(_runtime(spec, 'reload'))} $MAINPID"}
    return assemble(spec, name, conditions, start, terms)


def _credentials(spec: Spec) -> Iterator[Line]:
    """Yield what has systemd read the files for TLS, which the service itself could not."""
    why = "read by systemd, whoever the service runs as, and shown to it alone"
    for name, path in (("tls-cert", spec.begun.cert), ("tls-key", spec.begun.key)):
        if path:
            yield line("Service", "LoadCredential", f"{name}:{quoting.raw(path)}", why)


def _begun(spec: Spec) -> str:
    """Return the options for what connections begin with, as they stand in ExecStart=."""
    words = []
    # Not %d, which only systemd knows: with this, `activator run` can be given a directory.
    if spec.begun.cert:
        words += ["--tls-cert", "${CREDENTIALS_DIRECTORY}/tls-cert"]
    if spec.begun.key:
        words += ["--tls-key", "${CREDENTIALS_DIRECTORY}/tls-key"]
    if spec.begun.proxies:
        words += ["--proxy-protocol", spec.begun.proxies]
    return "".join(f" {word}" for word in words)


def _reloads_by_signal(spec: Spec) -> bool:
    """Tell whether systemd itself signals the service: Type=notify-reload, given by the spec."""
    return any(item[:3] == ("Service", "Type", "notify-reload") for item in spec.settings)


def _runtime(spec: Spec, command: str) -> list[str]:
    """Return the words of a command of the runtime's."""
    argv = [spec.python, "-m", "activator"] if spec.python else ["activator"]
    return [*argv, command]


def assemble(
    spec: Spec, name: str, conditions: set[str], start: list[Line], terms: Mapping[str, str]
) -> Unit:
    """Return the unit of the spec's own program: the generator's lines, then the spec's.

    Args:
        spec: The spec.
        name: The unit's file name.
        conditions: What holds, for the table of defaults.
        start: The first lines of [Service]: what is run.
        terms: What the values' ``{words}`` in the table stand for.
    """
    given = {(setting.section, setting.name) for setting in spec.settings}
    if spec.handlers or spec.ending.drain != RUNTIME_DRAIN:
        conditions = {*conditions, "drains"}
    stop = math.ceil(spec.ending.delay + spec.ending.drain) + STOP_MARGIN
    terms = {**terms, "name": spec.name, "stop": f"{stop}s"}
    holding = frozenset(conditions)

    def section(name: str, *first: Line) -> tuple[str, list[Line]]:
        lines = list(first)
        lines += defaults.lines("service", name, holding, spec.systemd, terms, given=given)
        if name == "Service":
            lines += hardening.beside(lines, hardening.lines(spec, conditions))
        mine = (setting for setting in spec.settings if setting.section == name)
        return name, lines + [line(name, setting.name, setting.value) for setting in mine]

    start = start + [
        line("Service", "Environment", quoting.assignment(*pair)) for pair in spec.environment
    ]
    described = [line("Unit", "Description", quoting.raw(spec.description))]
    if ("Unit", "Description") in given:
        described.clear()
    return Unit(
        name,
        sections([section("Unit", *described), section("Service", *start), section("Install")]),
    )


def command(spec: Spec, mode: Mode, served: list[Socket]) -> str:
    """Return the value of ExecStart=."""
    if spec.command and mode is not Mode.WARM:
        return spec.command
    argv = _runtime(spec, "serve")
    argv += _options(spec, mode)
    if mode is Mode.WARM:
        argv += _isolation(spec, served[0])
    begun = f"{quoting.command(argv)}{_begun(spec)}"
    if spec.command:
        return f"{begun} --inetd {spec.command}"
    return f"{begun} {' '.join(map(quoting.argument, _handlers(spec, mode, served)))}"


def _options(spec: Spec, mode: Mode) -> Iterator[str]:
    """Yield the options that differ from the runtime's defaults."""
    if spec.app_dir:
        yield from ("--app-dir", spec.app_dir)
    yield from _ending(spec.ending, mode)
    if spec.log_level != RUNTIME_LOG_LEVEL:
        yield from ("--log-level", spec.log_level)
    yield from (word for limit in spec.limits for word in limit if mode is Mode.SHARED)
    if spec.metrics and mode is Mode.SHARED:
        yield from ("--metrics", spec.metrics)
    if spec.idle_exit and mode is not Mode.PER_CONNECTION:
        yield from ("--idle-exit", f"{spec.idle_exit:g}")
    if workers := spec.processes.count(mode):
        yield from ("--workers", str(workers))
        for option in spec.processes.worker_limits:
            yield from option


def _ending(ending: Ending, mode: Mode) -> Iterator[str]:
    """Yield the options about the end that differ from the runtime's defaults."""
    if ending.drain != RUNTIME_DRAIN:
        yield from ("--drain", f"{ending.drain:g}")
    if ending.delay and mode is not Mode.PER_CONNECTION:
        yield from ("--drain-delay", f"{ending.delay:g}")
    if ending.health:
        yield from ("--health", ending.health)
    if ending.websocket_drain:
        yield from ("--websocket-drain", f"{ending.websocket_drain:g}")


def _isolation(spec: Spec, socket: Socket) -> Iterator[str]:
    """Yield the options for a process for each connection."""
    yield from ("--isolation", "process")
    processes = spec.processes
    if processes.time_limit:
        yield from ("--time-limit", f"{processes.time_limit:g}")
    if processes.limits:
        yield from ("--limit", ",".join(f"{name}={value}" for name, value in processes.limits))
    if processes.cgroup:
        yield from ("--cgroup", ",".join(f"{name}={value}" for name, value in processes.cgroup))
    for setting, option in sockets.limits(socket).items():
        yield from (option, setting.value)


def _handlers(spec: Spec, mode: Mode, served: list[Socket]) -> Iterator[str]:
    """Yield the handlers' words."""
    names = {socket.fdname for socket in served}
    # A word alone is a handler, so they come last.
    for handler in sorted(spec.handlers, key=lambda handler: not handler.interface):
        if handler.fdname and handler.fdname not in names:
            continue
        if handler.interface:
            yield f"--{handler.interface}"
        named = handler.fdname and mode is Mode.SHARED
        yield f"{handler.fdname}={handler.name}" if named else handler.name
