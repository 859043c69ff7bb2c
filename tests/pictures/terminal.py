"""A terminal in which the lines of a scene are typed, and what is written on it."""

import codecs
import fcntl
import os
import pty
import re
import select
import shlex
import signal
import struct
import subprocess
import termios
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from time import monotonic
from typing import Any

from tests.pictures.scenes import Step, plain

PATIENCE_S = 120.0
# Means nothing on a terminal.
_END = "\x1b]the end\x07"
ROWS = 50
# Starts a program with the streams and the environment that it is given.
Start = Callable[..., subprocess.Popen[Any]]


class Terminal:
    """A terminal in which lines are typed once.

    Args:
        columns: Its width.
        start: Starts a program: called with its words, its environment and its streams.
    """

    def __init__(self, columns: int, start: Start) -> None:
        self._start = start
        self._environment = {"COLUMNS": str(columns), "TERM": "xterm-256color"}
        self._ours, self._theirs = pty.openpty()
        size = struct.pack("HHHH", ROWS, columns, 0, 0)
        fcntl.ioctl(self._theirs, termios.TIOCSWINSZ, size)
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._written = ""

    def play(self, steps: Iterable[Step]) -> str:
        """Type all lines, and return what was written, prompts and colours too.

        Raises:
            AssertionError: A line did not end as it should.
        """
        with ExitStack() as stack:
            stack.callback(os.close, self._theirs)
            stack.callback(os.close, self._ours)
            for step in steps:
                self._type(step, stack)
            # What was written shortly before takes its time through the terminal, and this too.
            os.write(self._theirs, _END.encode())
            self._until(lambda: _END in self._written, "the end")
            return self._written.partition(_END)[0]

    def _type(self, step: Step, stack: ExitStack) -> None:
        """Type a line, and wait until it has ended or has written what it has to."""
        # Through the terminal, so that it comes behind whatever was written before.
        prompt = f"\x1b[32m$\x1b[0m \x1b[1m{step.line}\x1b[0m\n"
        os.write(self._theirs, prompt.encode())
        words = shlex.split(step.line.removesuffix("&"))
        process = self._start(
            *words,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=self._theirs,
            stderr=self._theirs,
        )
        stack.callback(_end, process)
        if not step.line.endswith("&"):
            self._until(lambda: process.poll() is not None, step.line)
            assert step.status == process.returncode, self._written
        self._until(
            lambda: (
                prompt in self._written
                and re.search(step.until, plain(self._written.rpartition(prompt)[2]))
            ),
            step.line,
        )

    def _until(self, condition: Callable[[], object], what: str) -> None:
        """Read until something holds."""
        deadline = monotonic() + PATIENCE_S
        while not condition():
            assert monotonic() < deadline, f"{what}: not done in time:\n{self._written}"
            self._read_on(0.02)

    def _read_on(self, wait: float = 0.0) -> None:
        """Read what there is."""
        while select.select([self._ours], [], [], wait)[0]:
            text = self._decoder.decode(os.read(self._ours, 65536))
            # An end of line may come in two pieces.
            self._written = (self._written + text).replace("\r\n", "\n")
            wait = 0.0


def _end(process: subprocess.Popen[Any]) -> None:
    """End a process that still runs; what it writes then is no longer shown."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise
