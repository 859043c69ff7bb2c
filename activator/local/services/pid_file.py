"""PIDFile=: where a forking service writes the PID of its main process.

Source: systemd.service(5), PIDFile=.
"""

from contextlib import suppress
from pathlib import Path

from activator.integers import bounded

_INT_MAX = 2**31 - 1


class PidFile:
    """A file with a PID.

    Args:
        path: Its absolute path.
    """

    def __init__(self, path: str) -> None:
        self._path = Path(path)

    def read(self) -> int:
        """Return the PID in it, 0 if there is none yet."""
        try:
            text = self._path.read_text(encoding="ascii").partition("\n")[0].strip()
        except (OSError, UnicodeDecodeError):
            return 0
        number = bounded(text) if text.isascii() and text.isdecimal() else 0
        return number if number <= _INT_MAX else 0

    def remove(self) -> None:
        """Remove it: when the service has ended it is out of date."""
        with suppress(OSError):
            self._path.unlink()
