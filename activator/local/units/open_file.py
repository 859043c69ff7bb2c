"""OpenFile=: files and Unix sockets that are opened for a service and passed behind its sockets.

Source: systemd.service(5); neither quotes nor specifiers count.
"""

from activator.local.units.reader import Reader
from activator.local.units.service_model import OpenFile
from activator.unitfile.parse import Entry
from activator.unitfile.unquoting import CUNESCAPE, fields


def read_open_files(reader: Reader) -> tuple[OpenFile, ...]:
    """Return what OpenFile= names.

    Raises:
        ActivatorError: systemd would skip a line.
    """
    return tuple(_read(reader, entry) for entry in reader.entries("Service", "OpenFile"))


def _read(reader: Reader, entry: Entry) -> OpenFile:
    """Read one line that has been checked."""
    text, place = entry.value, entry.place
    path, fdname, options, *_ = [*fields(text, mode=CUNESCAPE), "", ""]
    own = path.rstrip("/").rpartition("/")[2]
    path = reader.runtime.path(path)
    return OpenFile(path, fdname or own, frozenset(filter(None, options.split(","))), place)
