"""Show events as lines, for people or for programs: what services write, what becomes of them."""

import json
import re
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from activator.common.printable import colours
from activator.local.events import Event

_COLOURS = (36, 33, 35, 32, 34)  # cyan, yellow, magenta, green, blue
_DIM = 2
_FEW = 3  # directives, which fit into a line
_RED = 31
# What a terminal would obey, but for tabs, ends of lines and colours.
_CONTROL = re.compile(r"(\x1b\[[0-9;:]*m)|[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_PLAIN = "\033[0m"


class Lines(Protocol):
    """What takes lines: a text stream, or :class:`activator.local.log.Log`."""

    def isatty(self) -> bool:
        """Tell whether it is a terminal."""

    def write(self, text: str, /) -> int:
        """Write a whole line."""

    def flush(self) -> None:
        """Write it now."""


class Report(Protocol):
    """What shows events."""

    def __call__(self, event: Event) -> None:
        """Show an event."""

    def ignored(self, names: tuple[str, ...]) -> None:
        """Say which directives have no effect."""

    def note(self, text: str) -> None:
        """Say something that no unit of this run did."""


class JsonReporter:
    """Write one JSON object a line, for programs; nothing is left out.

    Its keys are ``time`` (seconds since the epoch), ``kind``, and those of an
    :class:`~activator.local.events.Event` that are not empty. ``address`` is systemd's text
    for ``directive``.

    Args:
        out: Gets the lines.
    """

    def __init__(self, out: Lines) -> None:
        self._out = out

    def __call__(self, event: Event) -> None:
        """Show an event."""
        fields = {"unit": event.unit, "text": event.text, "pid": event.pid, "fdname": event.fdname}
        if event.address is not None:
            fields |= {"directive": event.address.directive, "address": str(event.address)}
        kept = {name: value for name, value in fields.items() if value}
        status = {} if event.status is None else {"status": event.status}
        self._write(event.kind, {**kept, **status})

    def ignored(self, names: tuple[str, ...]) -> None:
        """Say which directives have no effect."""
        if names:
            self._write("ignored", {"directives": list(names)})

    def note(self, text: str) -> None:
        """Say something that no unit of this run did."""
        self._write("note", {"text": text})

    def _write(self, kind: str, fields: dict[str, object]) -> None:
        """Write a line at once: whoever reads wants it now."""
        self._out.write(_object(kind, fields))
        self._out.flush()


def json_note(text: str) -> str:
    """Return the line that says something of the log itself."""
    return _object("note", {"text": text})


def _object(kind: str, fields: dict[str, object]) -> str:
    """Return an event's line."""
    return json.dumps({"time": round(time.time(), 6), "kind": kind, **fields}) + "\n"


class Reporter:
    """Write one line an event, for people.

    Args:
        out: Gets the services' output and what happens.
        err: Gets what has failed and what does not work as the unit says.
        quiet: Whether to leave out what merely happens.
        verbose: Whether to name all directives that have no effect, however many.
    """

    def __init__(
        self, out: Lines, err: Lines, *, quiet: bool = False, verbose: bool = False
    ) -> None:
        self._verbose = verbose
        self._out = out
        self._err = err
        self._quiet = quiet
        self._painting = {stream: stream.isatty() and colours() for stream in (out, err)}
        self._on_terminal = any(stream.isatty() for stream in (out, err))
        self._colours: dict[str, int] = {}
        self._last_failure = ""

    def __call__(self, event: Event) -> None:
        """Show an event."""
        if self._on_terminal and not event.text.isprintable():
            event = event._replace(text=_harmless(event.text))
        label = self._label(event)
        if event.kind == "output":
            self._write(self._out, f"{self._painted(label, event)} | {event.text}")
        elif event.kind in ("failed", "broken", "note", "refused"):
            text = f"{label}: {event.text}" if label else event.text
            self._problem(text, red=event.kind in ("failed", "broken"))
        elif not self._quiet and (text := _text(event)):
            if event.kind == "ended" and event.status:
                self._write(self._out, f"{self._painted(label, event)}: {text}")
            else:
                line = f"{self._painted(label, event)}: {self._styled(text, _DIM, self._out)}"
                self._write(self._out, line if label else text)

    def ignored(self, names: tuple[str, ...]) -> None:
        """Say which directives have no effect."""
        if names:
            self._problem(ignored(names, verbose=self._verbose), red=False)

    def note(self, text: str) -> None:
        """Say something that no unit of this run did."""
        self._problem(text, red=False)

    def _problem(self, line: str, *, red: bool) -> None:
        """Write a line about a problem, but not the same again and again."""
        if line == self._last_failure:
            return
        self._last_failure = line
        self._write(self._err, self._styled(line, _RED, self._err) if red else line)

    def _label(self, event: Event) -> str:
        """Return the unit's name, and for a process its service's short name and PID."""
        if not event.pid:
            return event.unit
        return f"{event.unit.removesuffix('.service').partition('@')[0]}[{event.pid}]"

    def _painted(self, label: str, event: Event) -> str:
        """Return a label in its service's colour."""
        name = event.unit.rpartition(".")[0].partition("@")[0]
        colour = self._colours.setdefault(name, _COLOURS[len(self._colours) % len(_COLOURS)])
        return self._styled(label, colour, self._out)

    def _styled(self, text: str, style: int, stream: Lines) -> str:
        """Return a text in a style, but only on a terminal."""
        return f"\033[{style}m{text}\033[0m" if self._painting[stream] and text else text

    def _write(self, stream: Lines, line: str) -> None:
        """Write a line at once: whoever watches wants it now."""
        stream.write(line + "\n")
        stream.flush()


def ignored(names: Sequence[str], *, verbose: bool) -> str:
    """Return a line about directives that have no effect: all their names only where asked for.

    Args:
        names: The directives.
        verbose: Whether to name more than a few.
    """
    if verbose or len(names) <= _FEW:
        return f"ignored here: {', '.join(names)}"
    return f"ignored here: {len(names)} directives; --verbose names them"


def _harmless(text: str) -> str:
    """Return a text that a terminal shows and does not obey, its colours aside.

    What a service writes may come from its clients.
    """
    shown = _CONTROL.sub(lambda found: found[1] or f"\\x{ord(found[0]):02x}", text)
    return shown + _PLAIN if "\x1b" in shown else shown


def _text(event: Event) -> str:
    """Return what an event says, nothing for those that are not shown."""
    known = _TEXTS.get(event.kind)
    return "" if known is None else known(event)


def _where(event: Event) -> str:
    """Return an event's address, for people."""
    return event.address.human() if event.address is not None else ""


_TEXTS: dict[str, Callable[[Event], str]] = {
    "listening": lambda event: f"listening on {_where(event)}",
    "traffic": lambda event: "" if event.text else f"a client at {_where(event)}",
    "started": lambda event: f"started for {event.text}" if event.text else "started",
    "ready": lambda _: "ready",
    "status": lambda event: f"status: {event.text}",
    "ended": lambda event: event.text,
    "stopping": lambda _: "stopping",
    "reloaded": lambda event: f"units read again: {event.text}" if event.text else "reloaded",
    "changed": lambda event: f"changed: {event.text}",
    "idle": lambda event: event.text,
    "restarting": lambda event: f"starts again in {event.text}",
}
