"""Handlers for the tests: each exists as a_NAME (async) and p_NAME (plain)."""

import functools
import itertools
import os
import sys
import time

# A cipher that needs no certificate.
ANONYMOUS = "AECDH-AES256-SHA:@SECLEVEL=0"
hoarded: list[int] = []

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter
    from socket import socket


async def a_echo(reader: "StreamReader", writer: "StreamWriter") -> None:
    """Send back all that comes."""
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


def p_echo(sock: "socket") -> None:
    """Send back all that comes."""
    while data := sock.recv(65536):
        sock.sendall(data)


async def a_hold(reader: "StreamReader", writer: "StreamWriter") -> None:
    """Say hi, wait for a line, send it back with the process id."""
    writer.write(b"hi\n")
    await writer.drain()
    line = await reader.readline()
    writer.write(b"%d %s" % (os.getpid(), line))


def p_hold(sock: "socket") -> None:
    """Say hi, wait for a line, send it back with the process id."""
    sock.sendall(b"hi\n")
    with sock.makefile("rb") as stream:
        line = stream.readline()
    sock.sendall(b"%d %s" % (os.getpid(), line))


async def a_stubborn(reader: "StreamReader", writer: "StreamWriter") -> None:
    """Say hi, then stay, and say so when told to go."""
    try:
        writer.write(b"hi\n")
        await writer.drain()
        await reader.read()
    finally:
        sys.stderr.write("cleaned up\n")


def p_stubborn(sock: "socket") -> None:
    """Say hi, then stay, and say so when told to go."""
    try:
        sock.sendall(b"hi\n")
        sock.recv(1)
    finally:
        sys.stderr.write("cleaned up\n")


async def a_deaf(reader: "StreamReader", writer: "StreamWriter") -> None:
    """Say hi, and stay whatever happens."""
    del reader
    import asyncio  # noqa: PLC0415 - this file stays light

    writer.write(b"hi\n")
    await writer.drain()
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            sys.stderr.write("deaf\n")


def p_deaf(sock: "socket") -> None:
    """Say hi, and stay whatever happens."""
    sock.sendall(b"hi\n")
    while True:
        time.sleep(3600)


async def a_boom(reader: "StreamReader", writer: "StreamWriter") -> None:
    """Fail."""
    del writer
    await reader.read(1)
    raise ValueError("boom")


def p_boom(sock: "socket") -> None:
    """Fail."""
    sock.recv(1)
    raise ValueError("boom")


async def a_backend(reader: "StreamReader", writer: "StreamWriter") -> None:
    """Fail as if another connection than the client's had been reset."""
    del writer
    await reader.read(1)
    raise ConnectionResetError("the backend")


def p_backend(sock: "socket") -> None:
    """Fail as if another connection than the client's had been reset."""
    sock.recv(1)
    raise ConnectionResetError("the backend")


async def a_leave(reader: "StreamReader", writer: "StreamWriter") -> None:
    """Call sys.exit()."""
    del writer
    await reader.read(1)
    sys.exit(3)


def p_leave(sock: "socket") -> None:
    """Call sys.exit()."""
    sock.recv(1)
    sys.exit(3)


async def a_big(reader: "StreamReader", writer: "StreamWriter") -> None:
    """Write far more than the kernel buffers, and end at once."""
    del reader
    writer.write(b"x" * 8_000_000)


def p_big(sock: "socket") -> None:
    """Write far more than the kernel buffers, and end at once."""
    sock.sendall(b"x" * 8_000_000)


async def a_torrent(reader: "StreamReader", writer: "StreamWriter") -> None:
    """Write on and on without looking whether anyone is left."""
    del reader
    import asyncio  # noqa: PLC0415 - this file stays light

    for _ in range(50):
        writer.write(b"x" * 1000)
        await asyncio.sleep(0)


def p_torrent(sock: "socket") -> None:
    """Write on and on without looking whether anyone is left."""
    for _ in range(50):
        sock.sendall(b"x" * 1000)


async def a_exact(reader: "StreamReader", writer: "StreamWriter") -> None:
    """Read a message of a fixed length and send it back."""
    writer.write(await reader.readexactly(10))


async def a_group(reader: "StreamReader", writer: "StreamWriter") -> None:
    """Send back all that comes, from within a task group."""
    import asyncio  # noqa: PLC0415 - this file stays light

    async with asyncio.TaskGroup() as group:
        group.create_task(a_echo(reader, writer))


async def a_modules(reader: "StreamReader", writer: "StreamWriter") -> None:
    """Name the modules that are loaded."""
    del reader
    writer.write(" ".join(sorted(sys.modules)).encode())


def p_modules(sock: "socket") -> None:
    """Name the modules that are loaded."""
    sock.sendall(" ".join(sorted(sys.modules)).encode())


async def a_tls(reader: "StreamReader", writer: "StreamWriter") -> None:
    """Say go, then send back a line over TLS, without a certificate."""
    import ssl  # noqa: PLC0415 - this file stays light

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(ANONYMOUS)
    writer.write(b"go\n")
    await writer.start_tls(context)
    writer.write(await reader.readline())


async def a_alive(reader: "StreamReader", writer: "StreamWriter") -> None:
    """Read to the end, without the garbage collector, and say how many readers there are."""
    import gc  # noqa: PLC0415 - this file stays light

    gc.disable()
    await reader.read()
    count = sum(isinstance(each, type(reader)) for each in gc.get_objects())
    writer.write(b"%d" % count)


def _hoard() -> None:
    """Open descriptors until there are no more, and keep them."""
    import activator  # noqa: PLC0415 - this file stays light

    try:
        while True:
            hoarded.append(os.dup(0))
    finally:
        activator.notify.status("none left")


async def a_hoard(reader: "StreamReader", writer: "StreamWriter") -> None:
    """Leave no descriptor, not even for what happens then."""
    writer.write(b"hi\n")
    await reader.read(1)
    _hoard()


def p_hoard(sock: "socket") -> None:
    """Leave no descriptor, not even for what happens then."""
    sock.sendall(b"hi\n")
    sock.recv(1)
    _hoard()


async def a_where(reader: "StreamReader", writer: "StreamWriter") -> None:
    """Read to the end, and say where the client was, over what, and what came."""
    peer = writer.get_extra_info("peername")
    socket = writer.get_extra_info("socket")
    try:
        found: object = await reader.read()
    except ConnectionError as error:
        found = type(error).__name__
    sys.stderr.write(f"{peer[0]} {int(socket.family)} {int(socket.type)} {found!r}\n")


async def a_name(reader: "StreamReader", writer: "StreamWriter") -> None:
    """Say which of the two this is."""
    del reader
    writer.write(b"async")


def p_name(sock: "socket") -> None:
    """Say which of the two this is."""
    sock.sendall(b"plain")


def p_message(sock: "socket") -> None:
    """Send back one message, of a seqpacket socket for one."""
    sock.sendall(sock.recv(65536))


def p_attentive(sock: "socket") -> None:
    """Say hi, then bye as soon as the service drains."""
    import select  # noqa: PLC0415 - this file stays light

    import activator  # noqa: PLC0415 - the same

    sock.sendall(b"hi\n")
    select.select([sock.fileno(), activator.draining.fileno()], [], [])
    sock.sendall(b"bye\n" if activator.draining.is_set() else b"?\n")


def slow(number: int) -> int:
    """Return a number that takes long to be read, without a step to call signal handlers at."""
    read = functools.partial(max, itertools.repeat(number, 30_000_000))
    return type("Slow", (), {"__index__": staticmethod(read)})()  # type: ignore[no-any-return]


def p_attentive_late(sock: "socket") -> None:
    """Do as p_attentive, but begin to wait only long after the last step of Python."""
    import select  # noqa: PLC0415 - this file stays light

    import activator  # noqa: PLC0415 - the same

    poll = select.poll()
    poll.register(activator.draining, select.POLLIN)
    poll.register(sock, select.POLLIN)
    milliseconds = slow(3_600_000)
    sock.sendall(b"hi\n")
    poll.poll(milliseconds)
    sock.sendall(b"bye\n" if activator.draining.is_set() else b"?\n")


def p_stubborn_late(sock: "socket") -> None:
    """Do as p_stubborn, but begin to wait only long after the last step of Python."""
    size = slow(1)
    try:
        sock.sendall(b"hi\n")
        sock.recv(size)
    finally:
        sys.stderr.write("cleaned up\n")


def p_forking(sock: "socket") -> None:
    """Fork a process that is ended with SIGTERM, and tell its status and whether we drain."""
    import select  # noqa: PLC0415 - this file stays light
    import signal  # noqa: PLC0415 - the same

    import activator  # noqa: PLC0415 - the same

    poll = select.poll()
    poll.register(activator.draining, select.POLLIN)
    ready, told = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            os.write(told, b"x")
            while not activator.draining.wait(0.05):  # it has only the usual Python
                pass
        finally:
            os._exit(int(activator.draining.is_set()))
    os.read(ready, 1)
    os.kill(pid, signal.SIGTERM)
    _, status = os.waitpid(pid, 0)
    sock.sendall(repr((os.waitstatus_to_exitcode(status), poll.poll(300))).encode())


def p_peer(sock: "socket") -> None:
    """Ask for the peer's name, which fails if it has left."""
    sock.sendall(repr(sock.getpeername()).encode())


def p_coroutine(sock: "socket") -> object:
    """Return a coroutine, as a plain wrapper around an async function does."""
    return a_modules(sock, sock)  # type: ignore[arg-type]  # never awaited


async def _to_thread(reader: "StreamReader", writer: "StreamWriter") -> None:
    """Say hi, then wait for a thread that never ends."""
    import asyncio  # noqa: PLC0415 - this file stays light

    del reader
    writer.write(b"hi\n")
    await writer.drain()
    await asyncio.to_thread(time.sleep, 3600)


a_stuck = _to_thread


class Callable:
    """An object as a handler."""

    async def __call__(self, reader: "StreamReader", writer: "StreamWriter") -> None:
        """Send back all that comes."""
        await a_echo(reader, writer)

    def method(self, sock: "socket") -> None:
        """Send back all that comes."""
        p_echo(sock)


an_object = Callable()
a_partial = functools.partial(a_echo)
nothing = 42
