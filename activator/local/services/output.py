"""Turn what services write into whole lines.

Nothing is read ahead: who writes faster than lines are shown waits in write(2).
"""

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress

_CHUNK = 8192  # at a time, so that one that writes on and on lets others have their turn
_LAST_READS = 2048
_LONGEST = 65536  # a longer line is shown in pieces, as the journal does


class Output:
    """The reading end of a pipe that a service writes to.

    Args:
        on_line: Called with this and each line, without its end.

    Attributes:
        writing: The end for the service; -1 once it is closed.
        pid: The process that writes, for whoever shows the lines.
    """

    def __init__(self, on_line: Callable[["Output", str], None]) -> None:
        self._on_line = on_line
        self.pid = 0
        self._rest = b""
        self._reading, self.writing = os.pipe2(os.O_CLOEXEC)
        # Only our end: the service's end must block.
        os.set_blocking(self._reading, False)

    def fileno(self) -> int:
        """Return the descriptor to be polled, -1 once it is closed."""
        return self._reading

    def close_writing(self) -> None:
        """Close our copy of the service's end, so that its end can be seen."""
        if self.writing >= 0:
            os.close(self.writing)
            self.writing = -1

    def read(self) -> bool:
        """Read what is there.

        Returns:
            False once nothing more can come.

        Raises:
            BlockingIOError: Nothing is there now.
        """
        data = os.read(self._reading, _CHUNK)
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._show(line)
        while len(self._rest) >= _LONGEST:
            self._show(self._rest[:_LONGEST])
            self._rest = self._rest[_LONGEST:]
        return bool(data)

    def close(self) -> None:
        """Show what is left, also without a line's end, and close both ends."""
        if self._reading < 0:
            return
        # Somebody else may hold the pipe and write on for ever.
        with suppress(BlockingIOError):
            for _ in range(_LAST_READS):
                if not self.read():
                    break
        if self._rest:
            self._show(self._rest)
            self._rest = b""
        self.close_writing()
        os.close(self._reading)
        self._reading = -1

    def _show(self, line: bytes) -> None:
        """Pass one line on."""
        self._on_line(self, line.decode(errors="replace").rstrip("\r"))


class Intake:
    """Reads the output of all processes of one run, except while it is held."""

    def __init__(self) -> None:
        self._outputs: dict[Output, Callable[[], None]] = {}
        self._reasons: set[object] = set()

    def watch(self, output: Output, on_end: Callable[[], None]) -> None:
        """Read an output whenever there is something.

        Args:
            output: The output; it stays the caller's.
            on_end: Called when nothing more can come; it is not watched any more then.
        """
        self._outputs[output] = on_end
        if not self._reasons:
            self._add(output)

    def forget(self, output: Output) -> None:
        """Read an output no more."""
        if self._outputs.pop(output, None) is not None:
            asyncio.get_running_loop().remove_reader(output)

    def hold(self, reason: object) -> None:
        """Leave all output in its pipes, for one of perhaps several reasons."""
        if not self._reasons:
            for output in self._outputs:
                asyncio.get_running_loop().remove_reader(output)
        self._reasons.add(reason)

    def release(self, reason: object) -> None:
        """Read again, unless there is another reason not to."""
        if reason in self._reasons:
            self._reasons.remove(reason)
            if not self._reasons:
                for output in self._outputs:
                    self._add(output)

    def _add(self, output: Output) -> None:
        """Have the loop tell when there is something."""
        asyncio.get_running_loop().add_reader(output, self._read, output)

    def _read(self, output: Output) -> None:
        """Read what a process wrote."""
        with suppress(BlockingIOError):
            if not output.read():
                on_end = self._outputs[output]
                self.forget(output)
                on_end()
