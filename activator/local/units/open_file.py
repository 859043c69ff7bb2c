"""OpenFile=: files and Unix sockets that are opened for a service and passed behind its sockets.

Source: systemd.service(5); neither quotes nor specifiers count.
"""

from activator.local.units.reader import Reader
from activator.local.units.service_model import OpenFile
from activator.unquoting import CUNESCAPE, fields


def read_open_files(reader: Reader) -> tuple[OpenFile, ...]:
    """Return what OpenFile= names.

    Raises:
        ActivatorError: systemd would skip a line.
    """
    return tuple(_read(entry.value, entry.place) for entry in reader.checked("Service", "OpenFile"))


def _read(text: str, place: str) -> OpenFile:
    """Read one line that has been checked."""
    path, fdname, options, *_ = [*fields(text, mode=CUNESCAPE), "", ""]
    own = path.rstrip("/").rpartition("/")[2]
    return OpenFile(path, fdname or own, frozenset(filter(None, options.split(","))), place)
