"""Run the local activator beside a test, and tell the test what happens in it."""

import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

from activator.local.activated import (
    PATIENCE,
    ActivationError,
    Address,
    Run,
    own_environment,
)

__all__ = ["Activate", "Activated", "ActivationError", "Address"]

# Seconds in which what has just happened arrives, and what tells of a failure.
_QUIET = 0.1
_WORDS = ("output", "note", "failed", "ended", "broken")
_LISTEN = "127.0.0.1:1"  # the port is replaced by a free one


class Activated(Run):
    """A running `activator run`, on free ports and with a directory in the place of /run.

    Args:
        arguments: What stands behind ``activator run``.
        environment: Its environment.
    """

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
        self._runtime = tempfile.mkdtemp(prefix="activator-")
        options = ["--free-ports", "--runtime-dir", f"{self._runtime}/run"]
        super().__init__([*options, *arguments], environment)

    @property
    def failure(self) -> str:
        """Return what a service that has failed at its start has said; empty if none has."""
        self._read(_QUIET)  # it may still be on its way
        unit = next((e["unit"] for e in self.events if e["kind"] == "broken"), "")
        own = [e for e in self.events if unit and e.get("unit") == unit and e["kind"] in _WORDS]
        return "\n".join(dict.fromkeys(f"{unit}: {e['text']}" for e in own))

    def connect(self, unit: str = "", number: int = 0, timeout: float = PATIENCE) -> socket.socket:
        """Connect as the first client does, or any other; see :meth:`address`.

        Returns:
            The connected socket, which the caller closes.

        Raises:
            ActivationError: A service has failed at its start.
        """
        try:
            return super().connect(unit, number, timeout)
        except OSError as error:
            if failure := self.failure:
                raise ActivationError(failure) from error
            raise

    def stop(self) -> int:
        """Stop it with all services, remove its files, and return its exit status."""
        try:
            return super().stop()
        finally:
            shutil.rmtree(self._runtime, ignore_errors=True)


class Activate:
    """Start activations, and stop them all in the end; the fixture ``activate``."""

    def __init__(self) -> None:
        self._running: list[Activated] = []

    @property
    def transcript(self) -> str:
        """Return what has happened in all that was activated, as text."""
        return "\n\n".join(each.transcript for each in self._running)

    @property
    def failure(self) -> str:
        """Return what those that have failed at their start have said; empty if none has."""
        return "\n".join(filter(None, (each.failure for each in self._running)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        while self._running:
            self._running.pop().stop()

    def __call__(
        self,
        *files: str | os.PathLike[str],
        handler: str | Callable[..., object] = "",
        command: Sequence[str] = (),
        accept: bool = False,
        environment: Mapping[str, str] | None = None,
        options: Sequence[str] = (),
        fail_fast: bool = True,
    ) -> Activated:
        """Run specs or units, a handler, or a command, and wait until all listens.

        IP sockets get free ports; what belongs below /run is in a directory of its own.

        Args:
            files: Specs, unit files or folders, as for `activator run`.
            handler: ``MODULE:HANDLER``, or a function or class of a module, in place of files;
                it is served by `activator serve`.
            command: A program and its arguments, in place of files.
            accept: Whether each connection gets a process of its own; for handler and command.
            environment: Variables for the services.
            options: More options of `activator run`.
            fail_fast: Whether a service that fails at its start ends all, so that nobody waits
                for it in vain; otherwise it is started again as its unit says.

        Returns:
            What runs; it is stopped after the test.

        Raises:
            ActivationError: It cannot be run.
        """
        words = ["--exit-on-failure"] * fail_fast + [*options]
        variables = dict(environment or {})
        if handler:
            command = [sys.executable, "-m", "activator", "serve", _named(handler)]
            # The handler is where the test finds it.
            variables.setdefault("PYTHONPATH", os.pathsep.join(path or "." for path in sys.path))
        for name, value in variables.items():
            words += ["-E", f"{name}={value}"]
        if command:
            words += ["-l", _LISTEN, *["--accept"] * accept, "--", *map(str, command)]
        words += [str(Path(file)) for file in files]
        running = Activated(words, own_environment())
        self._running.append(running)
        running.wait_for("open")
        return running


def _named(handler: str | Callable[..., object]) -> str:
    """Return a handler as MODULE:HANDLER.

    Raises:
        ActivationError: Another process could not import it.
    """
    if isinstance(handler, str):
        return handler
    name = getattr(handler, "__qualname__", "<")
    if "<" in name:  # <locals>, <lambda>
        what = f"{handler!r} cannot be imported by the service"
        raise ActivationError(f"{what}; write it as a function or class of a module")
    return f"{handler.__module__}:{name}"
