"""Keep a note that all may read and some may write, by who is on the other side.

Run it with ``activator run --runtime-dir /tmp/run units/notes.toml`` and try
``echo 'write buy milk' | socat - /tmp/run/notes.sock``, then ``echo read | ...``.

The kernel vouches for a Unix client's user and groups, so there is no password. Who may write is
root, who runs the service, and the members of the group WRITERS (a number). A service that
systemd has closed to others' users (PrivateUsers=) sees them all as nobody; see units/notes.toml.
"""

import os

import activator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter

ROOT = 0
note = b""


def may_write(who: activator.Credentials) -> bool:
    """Decide by a client's credentials."""
    writers = os.environ.get("WRITERS")
    member = writers is not None and int(writers) in (who.gid, *who.groups)
    return member or who.uid in (ROOT, os.getuid())


async def serve(reader: "StreamReader", writer: "StreamWriter") -> None:
    """Take ``read`` and ``write TEXT``, a line each."""
    global note
    who = activator.peer_credentials(writer.get_extra_info("socket"))
    while line := await reader.readline():
        command, _, text = line.strip().partition(b" ")
        if command == b"read":
            answer = note
        elif command != b"write":
            answer = b"error: read, or write TEXT"
        elif who is None or not may_write(who):
            answer = b"error: user %d may not write" % (who.uid if who else -1)
        else:
            note, answer = text, b"written"
        writer.write(answer + b"\n")
        await writer.drain()
