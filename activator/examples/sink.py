"""Write to a file what any program writes into a FIFO, a line each.

Run it with ``activator run --runtime-dir /tmp/run units/sink.toml`` and write to it:
``echo hello >/tmp/run/sink.fifo``. Programs need nothing but a file to write to; the service
starts at the first line. With LOGS_DIRECTORY the lines go to sink.log there, else to the journal.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from io import BufferedReader


def sink(stream: "BufferedReader") -> None:
    """Copy line after line; the stream ends when the service stops, and no line is lost by that."""
    directory = os.environ.get("LOGS_DIRECTORY")
    path = os.path.join(directory, "sink.log") if directory else ""  # noqa: PTH118 - light
    # Opened anew at each start, and unbuffered: what was read has been written.
    with open(path or sys.stdout.fileno(), "ab", buffering=0, closefd=bool(path)) as log:
        log.writelines(stream)
