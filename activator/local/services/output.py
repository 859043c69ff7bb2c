"""Turn what a service writes into whole lines."""

import os
from collections.abc import Callable
from contextlib import suppress

_CHUNK = 65536
_LAST_READS = 256
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
