"""What the runtime serves each socket with: handlers and web applications."""

from collections.abc import Iterator, Mapping
from typing import Any

from activator.errors import ActivatorError
from activator.generate.specfile import intents, names
from activator.generate.specfile.directives import Report
from activator.generate.specfile.spec import Handler, Mode, Socket, Spec


def read(values: Mapping[str, Any], report: Report) -> Iterator[Handler]:
    """Yield the handlers and applications.

    Args:
        values: The values of the spec's own keys.
        report: Called with each mistake.
    """
    found: set[str] = set()
    for key in intents.HANDLERS:
        value = values[key]
        table = value if isinstance(value, dict) else {"": value} if value is not None else {}
        if value == {}:
            hint = 'write fdname = "module:function" in it'
            report(ActivatorError(f"{key} names nothing", hint), (key,))
        for fdname, name in table.items():
            path = (key, fdname) if fdname else (key,)
            if fdname in found and fdname:
                what = f"socket {fdname!r} has two of {', '.join(intents.HANDLERS)}"
                report(ActivatorError(what, "give one"), path)
            else:
                interface = "" if key == "handler" else key
                try:
                    names.handler(name, interface)
                except ActivatorError as error:
                    report(error, path)
                    name = ""  # noqa: PLW2901 - the socket has one, for what is checked next
                yield Handler(fdname, name, interface)
            found.add(fdname)


def check(spec: Spec, report: Report) -> None:
    """Note handlers without a socket and sockets without a handler.

    Args:
        spec: The spec.
        report: Called with each mistake.
    """
    by_name = {handler.fdname: handler for handler in spec.handlers}
    for socket in spec.sockets:
        if socket.fdname != spec.metrics:
            _check_application(by_name.get(socket.fdname, by_name.get("")), socket, report)
    if not by_name or "" in by_name:
        return
    sockets = {socket.fdname for socket in spec.sockets}
    for fdname in sorted(by_name.keys() - sockets):
        hint = f"add [sockets.{fdname}], or name one of {', '.join(sorted(sockets))}"
        path = by_name[fdname].interface or "handler", fdname
        report(ActivatorError(f"handler {fdname!r} has no socket", hint), path)
    for fdname in sorted(sockets - by_name.keys() - {spec.metrics}):
        hint = f'add {fdname} = "module:function" to handler'
        report(ActivatorError(f"socket {fdname!r} has no handler", hint), ("sockets", fdname))


def _check_application(handler: Handler | None, socket: Socket, report: Report) -> None:
    """Note a web application where no web client can come."""
    if handler is None or not handler.interface:
        return
    for setting in socket.settings:
        if setting.name.startswith("Listen") and setting.name != "ListenStream":
            what = f"{handler.interface} cannot serve {setting.name}="
            hint = "give ListenStream=, or a handler for it"
            report(ActivatorError(what, hint), setting.path)
    if socket.mode is Mode.WARM:
        what = f"{handler.interface} cannot be served by a process for each connection"
        hint = "leave it out; mode = 'shared' serves it best"
        report(ActivatorError(what, hint), ("isolation",))
