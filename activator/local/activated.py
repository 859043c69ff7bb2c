"""A running `activator run`, seen from outside: what happens in it, and where it listens."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

# Seconds that anything may take; only what fails takes so long.
PATIENCE = 60.0
_CHUNK = 65536
# Seconds without news after which there is hardly any to come, and those this may take.
_QUIET = 0.1
_SOON = 1.0
_TYPES = {
    "ListenStream": socket.SOCK_STREAM,
    "ListenDatagram": socket.SOCK_DGRAM,
    "ListenSequentialPacket": socket.SOCK_SEQPACKET,
}


class ActivationError(AssertionError):
    """Something did not happen, or `activator run` could not do what it was asked for."""


class Address(NamedTuple):
    """Where a socket unit listens.

    Attributes:
        unit: The socket unit's name.
        directive: ``ListenStream`` and so on.
        text: systemd's text: ``HOST:PORT``, a path, or ``@NAME``.
        fdname: The descriptor's name: ``FileDescriptorName=``, and else the unit's name.
    """

    unit: str
    directive: str
    text: str
    fdname: str = ""

    @property
    def port(self) -> int:
        """Return the port; 0 for what has none."""
        _, _, port = self.text.rpartition(":")
        return int(port) if port.isdigit() and not self.text.startswith(("/", "@")) else 0

    def connect(self, timeout: float = PATIENCE) -> socket.socket:
        """Connect to it.

        Args:
            timeout: How long this and each later step may take: seconds.

        Returns:
            The connected socket, which the caller closes.

        Raises:
            OSError: It cannot be reached.
        """
        kind = _TYPES[self.directive]
        if self.text.startswith(("/", "@")):
            family, target = socket.AF_UNIX, self.text.replace("@", "\0", 1)
            if not self.text.startswith("@"):
                target = self.text
            sock = socket.socket(family, kind)
            where: Any = target
        else:
            host = self.text.rpartition(":")[0].strip("[]")
            # A bare port, and the unspecified address, mean every address.
            host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
            sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind)
            where = (host, self.port)
        try:
            sock.settimeout(timeout)
            sock.connect(where)
        except BaseException:
            sock.close()
            raise
        return sock


class Run:
    """A running `activator run`.

    Args:
        arguments: What stands behind ``activator run``.
        environment: Its environment.
        directory: Where it runs; here, if it is empty.

    Attributes:
        process: The process of `activator run`.
        events: What has happened so far: its ``--log json``, read.
    """

    def __init__(
        self, arguments: Sequence[str], environment: Mapping[str, str], directory: str = ""
    ) -> None:
        self.events: list[dict[str, Any]] = []
        self._rest = b""
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed in stop()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "activator", "run", "--log", "json", *arguments],
            cwd=directory or None,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
        )

    # --- what there is -----------------------------------------------------------------

    @property
    def errors(self) -> str:
        """Return what it has written on standard error."""
        return os.pread(self._stderr.fileno(), 1 << 20, 0).decode(errors="replace")

    @property
    def addresses(self) -> list[Address]:
        """Return what is open, in the units' order."""
        return [
            Address(event["unit"], event["directive"], event["address"], event["fdname"])
            for event in self.events
            if event["kind"] == "listening"
        ]

    @property
    def pids(self) -> list[int]:
        """Return the main processes that were started so far, ended ones too."""
        self._read(0)
        return [event["pid"] for event in self.events if event["kind"] == "started"]

    @property
    def logs(self) -> list[str]:
        """Return the lines that services have written so far."""
        self._read(0)
        return [event.get("text", "") for event in self.events if event["kind"] == "output"]

    @property
    def transcript(self) -> str:
        """Return all that has happened, and what it has written on standard error, as text."""
        # What has just happened may still be on its way.
        count, end = -1, time.monotonic() + _SOON
        while count < len(self.events) and time.monotonic() < end:
            count = len(self.events)
            self._read(_QUIET)
        start = self.events[0]["time"] if self.events else 0.0
        lines = [_line(event, event["time"] - start) for event in self.events]
        return "\n".join([*lines, *self.errors.splitlines()])

    def address(self, unit: str = "", number: int = 0) -> Address:
        """Return one of the addresses.

        Args:
            unit: The socket unit's name, with or without ``.socket``, or the descriptor's, which
                is that of the spec's own socket; any if it is empty.
            number: Which of them, from 0.

        Raises:
            ActivationError: There is none.
        """
        every = self.addresses
        units = [one for one in every if unit in ("", one.unit, one.unit.removesuffix(".socket"))]
        found = units or [one for one in every if one.fdname == unit]
        if number >= len(found):
            there = ", ".join(f"{one.unit} ({one.fdname}) {one.text}" for one in every)
            what = f"there is no address {number} of {unit or 'any unit'}"
            raise ActivationError(f"{what}; there are: {there or 'none'}")
        return found[number]

    # --- what can be done --------------------------------------------------------------

    def connect(self, unit: str = "", number: int = 0, timeout: float = PATIENCE) -> socket.socket:
        """Connect as the first client does, or any other; see :meth:`address`.

        Returns:
            The connected socket, which the caller closes.
        """
        return self.address(unit, number).connect(timeout)

    def wait_for(
        self, kind: str, text: str = "", *, count: int = 1, timeout: float = PATIENCE
    ) -> dict[str, Any]:
        """Wait until something has happened so often, and return the last event.

        Args:
            kind: Such as ``started``, ``ready``, ``output``, ``ended``, ``failed``; see
                docs/testing.md.
            text: What the event's text must contain.
            count: How often.
            timeout: Seconds.

        Raises:
            ActivationError: It has not happened in time.
        """
        __tracebackhide__ = True  # pytest shows where this was called
        end = time.monotonic() + timeout
        while True:
            found = [e for e in self.events if e["kind"] == kind and text in e.get("text", "")]
            if len(found) >= count:
                return found[count - 1]
            left = end - time.monotonic()
            if left <= 0 or not self._read(left):
                raise ActivationError(self._missing(kind, text, count))

    def signal(self, number: int) -> None:
        """Send a signal to `activator run`."""
        self.process.send_signal(number)

    def stop(self) -> int:
        """Stop it with all services, remove its files, and return its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and self._read(end - time.monotonic()):
            pass
        try:
            return self.process.wait(max(0.0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            for pid in self.pids:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(pid, signal.SIGKILL)
            self.process.kill()
            return self.process.wait()
        finally:
            if self.process.stdout is not None:
                self.process.stdout.close()
            self._stderr.close()

    # --- inside ------------------------------------------------------------------------

    def _read(self, seconds: float) -> bool:
        """Read what has happened, waiting for the first of it; False when no more will come."""
        stdout = self.process.stdout
        if stdout is None or stdout.closed:
            return False
        while select.select([stdout], [], [], max(0.0, seconds))[0]:
            data = os.read(stdout.fileno(), _CHUNK)
            if not data:
                return False
            *lines, self._rest = (self._rest + data).split(b"\n")
            self.events += map(json.loads, lines)
            seconds = 0.0
        return True

    def _missing(self, kind: str, text: str, count: int) -> str:
        """Return what to say when something has not happened."""
        what = f"{kind} {f'with {text!r} ' if text else ''}did not come"
        if count > 1:
            what += f" {count} times"
        return f"{what}; what did:\n{textwrap.indent(self.transcript, '  ')}"


def _line(event: dict[str, Any], seconds: float) -> str:
    """Return an event as a line for people, with the time since the first one."""
    pid = f"[{event['pid']}]" if "pid" in event else ""
    ignored = f"{len(event.get('directives', ()))} directives"
    what = event.get("text") or event.get("address") or ignored * (event["kind"] == "ignored")
    words = (f"{seconds:8.3f}", f"{event['kind']:<9}", event.get("unit", "") + pid, what)
    return " ".join(filter(None, words)).rstrip()


def own_environment() -> dict[str, str]:
    """Return our environment, without what a service manager may have put there."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("LISTEN_")}
    path = os.pathsep.join(path or "." for path in sys.path)
    return {**kept, "PYTHONPATH": path}
