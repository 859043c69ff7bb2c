"""Handlers for the tests of processes: each exists as a_NAME (async) and p_NAME (plain)."""

import json
import os
import resource
import signal
import socket
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter

# Who has loaded this module.
LOADED_BY = os.getpid()


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def _facts() -> bytes:
    facts = {
        "pid": os.getpid(),
        "loaded_by": LOADED_BY,
        "group": os.getpgid(0),
        "nofile": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        "fds": [fd for fd in range(256) if _is_open(fd)],
        "env": {
            name: value
            for name, value in os.environ.items()
            if name.startswith(("LISTEN_", "REMOTE_", "NOTIFY", "WATCHDOG"))
        },
    }
    return json.dumps(facts).encode()


async def a_facts(reader: "StreamReader", writer: "StreamWriter") -> None:
    """Tell about the process."""
    del reader
    writer.write(_facts())


def p_facts(sock: socket.socket) -> None:
    """Tell about the process."""
    sock.sendall(_facts())


def p_modules(sock: socket.socket) -> None:
    """Name the modules that are loaded."""
    sock.sendall(" ".join(sys.modules).encode())


async def a_fate(reader: "StreamReader", writer: "StreamWriter") -> None:
    """Do what the client says."""
    line = await reader.readline()
    if line == b"hang\n":
        writer.write(b"hi\n")
        await writer.drain()
        try:
            await reader.read()
        finally:
            sys.stderr.write("cleaned up\n")
    writer.write(_fate(line))


def p_fate(sock: socket.socket) -> None:
    """Do what the client says."""
    with sock.makefile("rb") as stream:
        line = stream.readline()
    if line == b"hang\n":
        sock.sendall(b"hi\n")
        try:
            sock.recv(1)
        finally:
            sys.stderr.write("cleaned up\n")
    sock.sendall(_fate(line))


def _fate(line: bytes) -> bytes:
    """Crash, hang, eat memory, leave a process behind, or answer."""
    if line == b"crash\n":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif line == b"spin\n":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True:
            time.sleep(60)
    elif line == b"eat\n":
        bytearray(1 << 40)
    elif line == b"leave\n":
        pid = os.spawnvp(os.P_NOWAIT, "sleep", ["sleep", "1000"])  # noqa: S606 - it is to be left behind
        return b"%d\n" % pid
    return line


async def a_count(reader: "StreamReader", writer: "StreamWriter") -> None:
    """Work for a while, or end the process; tell which one this is."""
    if await reader.readline() == b"die\n":
        os.kill(os.getpid(), signal.SIGKILL)
    sum(range(200_000))
    writer.write(b"%d\n" % os.getpid())
