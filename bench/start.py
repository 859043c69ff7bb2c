"""From the start of a service to its first answer, beside scripts that are written by hand.

The client is there before, as with socket activation, and its connection waits. The scripts take
what was passed with systemd.daemon, as the man pages do it. Ours runs as users have it: from a
wheel, in an environment of its own, with its modules compiled.
"""

import os
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import compare
import installed
import servers

ROUNDS = 15
BAR = 1.1
CONNECTION = """\
import socket

from systemd import daemon

(fd,) = daemon.listen_fds()
with socket.socket(fileno=fd) as sock:
    while data := sock.recv(65536):
        sock.sendall(data)
"""
SHARED = """\
import asyncio
import signal
import socket

from systemd import daemon


async def echo(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def main():
    over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
    (fd,) = daemon.listen_fds()
    await asyncio.start_server(echo, sock=socket.socket(fileno=fd))
    daemon.notify("READY=1")
    await over.wait()


asyncio.run(main())
"""
HANDLERS = """\
def cat(sock):
    while data := sock.recv(65536):
        sock.sendall(data)


async def echo(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
"""


def rows() -> Iterator[compare.Row]:
    """Yield the comparisons."""
    with tempfile.TemporaryDirectory() as scratch:
        programs = installed.install(Path(scratch))
        directory = Path(scratch, "service")
        directory.mkdir()
        for name, text in (("cat", CONNECTION), ("echo", SHARED), ("handlers", HANDLERS)):
            (directory / f"{name}.py").write_text(text)
        serve = (str(programs / "activator"), "serve", "--app-dir", str(directory))
        python = str(programs / "python")
        for title, ours, peer, accepted in (
            (
                "Accept=yes, to the first byte / with systemd.daemon",
                (*serve, "handlers:cat"),
                (python, str(directory / "cat.py")),
                True,
            ),
            (
                "Accept=no, to the first byte / with asyncio",
                (*serve, "--loop", "asyncio", "handlers:echo"),
                (python, str(directory / "echo.py")),
                False,
            ),
        ):
            with ExitStack() as stack:
                steps = [_first_byte(argv, stack, accepted=accepted) for argv in (ours, peer)]
                columns = compare.times(steps, ROUNDS)
            yield compare.compared(title, columns[0], columns[1], BAR)


def _first_byte(argv: tuple[str, ...], stack: ExitStack, *, accepted: bool) -> Callable[[], object]:
    """Return a step that starts a service, and ends with its answer.

    Args:
        argv: The command.
        stack: Ends, at its own end, the service that was started last.
        accepted: Whether it is passed the connection, or the listener.
    """
    running: list[subprocess.Popen[bytes]] = []

    def end() -> None:
        while running:
            process = running.pop()
            process.terminate()
            process.wait()

    stack.callback(end)

    def step() -> None:
        end()
        with (
            socket.create_server(("127.0.0.1", 0)) as listener,
            socket.create_connection(listener.getsockname()) as client,
        ):
            client.sendall(b"hello")
            with listener.accept()[0] if accepted else listener as passed:
                running.append(_run(argv, passed.fileno()))
            assert client.recv(100) == b"hello"

    return step


def _run(argv: tuple[str, ...], fd: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        ["/bin/sh", "-c", servers.RUN, "sh", str(fd), *argv],
        env={**compare.ENVIRONMENT, "LISTEN_FDS": "1", "PATH": os.environ["PATH"]},
        pass_fds=[fd],
    )


if __name__ == "__main__":
    compare.main(rows)
