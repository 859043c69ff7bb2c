"""FIFOs and special files: read to the last line, torn nowhere, left to the next process."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.support.services import (
    FLAVOURS,
    HANDLERS,
    SERVE,
    Service,
    ask,
    bound,
    launched,
    tcp_listener,
)

FILES = "tests.support.files"
COUNT = 10000
flavours = pytest.mark.parametrize(("options", "prefix"), FLAVOURS)


@contextmanager
def fifo(tmp_path: Path) -> Iterator[tuple[int, int]]:
    """Open a FIFO as systemd does, for reading and writing; and once more, for a client."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    ends = os.open(path, os.O_RDWR | os.O_NONBLOCK), os.open(path, os.O_WRONLY)
    try:
        yield ends
    finally:
        for end in ends:
            os.close(end)


def serve(options: tuple[str, ...], *handlers: str) -> tuple[str, ...]:
    """Return a command that serves with handlers of tests/support/files.py."""
    return (*SERVE, *options, *(f"{FILES}:{name}" for name in handlers))


def line(service: Service) -> str:
    """Wait for the next line of a service."""
    assert service.process.stdout
    return service.process.stdout.readline().decode().rstrip("\n")


@flavours
def test_lines(options: tuple[str, ...], prefix: str, tmp_path: Path) -> None:
    """What was written before, while and after a service runs, is all read, once."""
    with fifo(tmp_path) as (listener, client):
        number = 0
        for _ in range(2):
            os.write(client, b"%d\n" % number)
            with launched(serve(options, f"{prefix}lines"), [listener]) as service:
                assert str(number) == line(service)
                service.ready()
                os.write(client, b"%d\n" % (number + 1))
                assert str(number + 1) == line(service)
                assert 0 == service.end()
                assert ("end\n", "") == (service.stdout, service.stderr)
            number += 2


@flavours
def test_no_line_is_torn(options: tuple[str, ...], prefix: str, tmp_path: Path) -> None:
    """Services come and go while clients write: each line arrives, whole and once."""
    with fifo(tmp_path) as (listener, client):
        writers = start_writers(client)
        lines: list[str] = []
        for _ in range(3):
            with launched(serve(options, f"{prefix}lines"), [listener]) as service:
                lines += [line(service) for _ in range(500)]
                service.process.send_signal(signal.SIGTERM)
                lines += service.stdout.splitlines()
                assert "end" == lines.pop()
                assert 0 == service.wait()
                assert "" == service.stderr
        with launched(serve(options, f"{prefix}lines"), [listener]) as service:
            service.ready()
            while len(lines) < 2 * COUNT:
                lines.append(line(service))
            for writer in writers:
                writer.join()
            assert 0 == service.end()
            assert "end\n" == service.stdout
    for name in "ab":
        assert [f"{name}{n} {'x' * (n % 90)}" for n in range(COUNT)] == [
            text for text in lines if text[0] == name
        ]


def start_writers(fd: int) -> list[threading.Thread]:
    """Have two threads write at once; the caller waits for them."""
    writers = [threading.Thread(target=write_lines, args=(fd, name, COUNT)) for name in "ab"]
    for writer in writers:
        writer.start()
    return writers


def write_lines(fd: int, name: str, count: int) -> None:
    """Write lines of various lengths, each at once."""
    for number in range(count):
        os.write(fd, f"{name}{number} {'x' * (number % 90)}\n".encode())


@flavours
def test_called_again(options: tuple[str, ...], prefix: str, tmp_path: Path) -> None:
    """A handler that returns is called again, for what was read already and for what comes."""
    with fifo(tmp_path) as (listener, client):
        os.write(client, b"1\n2\n3\n")
        with launched(serve(options, f"{prefix}one"), [listener]) as service:
            assert ["one 1", "one 2", "one 3"] == [line(service) for _ in range(3)]
            os.write(client, b"4\n")
            assert "one 4" == line(service)
            assert 0 == service.end()
            assert "" == service.stderr


@flavours
def test_bugs(options: tuple[str, ...], prefix: str, tmp_path: Path) -> None:
    """A handler that fails costs one record, and is called again for the next line."""
    with fifo(tmp_path) as (listener, client):
        os.write(client, b"1\nboom\n2\n")
        with launched(serve(options, f"{prefix}boom"), [listener]) as service:
            assert ["1", "2"] == [line(service) for _ in range(2)]
            assert 0 == service.end()
            assert 1 == service.stderr.count("ValueError: boom\nTraceback")
            assert f"handler {FILES}:{prefix}boom on 'unknown' (fifo {tmp_path}" in service.stderr


@flavours
def test_handler_that_reads_nothing(options: tuple[str, ...], prefix: str, tmp_path: Path) -> None:
    """It is called ten times a second, not as fast as can be, and that is said once."""
    with fifo(tmp_path) as (listener, client):
        os.write(client, b"1\n")
        with launched(serve(options, f"{prefix}blind"), [listener]) as service:
            assert ["blind"] * 3 == [line(service) for _ in range(3)]
            assert 0 == service.end()
            assert 1 == service.stderr.count("leaves unread what waits there\n")


@flavours
def test_what_was_read_is_handled(options: tuple[str, ...], prefix: str, tmp_path: Path) -> None:
    """At SIGTERM the handler gets what was read before, and nothing that came after."""
    with fifo(tmp_path) as (listener, client):
        os.write(client, b"1\n2\n")
        with launched(serve(options, f"{prefix}slow"), [listener]) as service:
            assert "1" == line(service)
            service.stop()
            os.write(client, b"3\n")
            assert 0 == service.wait()
            assert ("2\nend\n", "") == (service.stdout, service.stderr)
        assert b"3\n" == os.read(listener, 100)


@flavours
def test_handler_that_does_not_end(options: tuple[str, ...], prefix: str, tmp_path: Path) -> None:
    """It has the time to drain, and no more."""
    with fifo(tmp_path) as (listener, client):
        os.write(client, b"1\n")
        with launched(serve(("--drain=0.1", *options), f"{prefix}deaf"), [listener]) as service:
            assert "1" == line(service)
            assert 0 == service.end()


@flavours
def test_idle_exit(options: tuple[str, ...], prefix: str, tmp_path: Path) -> None:
    """What counts for the idle exit is that something comes, not that the handler waits for it."""
    with fifo(tmp_path) as (listener, client):
        words = serve(("--idle-exit=0.2", *options), f"{prefix}lines")
        os.write(client, b"1\n")
        with launched(words, [listener]) as service:
            assert 0 == service.wait()
            assert ("1\nend\n", "") == (service.stdout, service.stderr)


def test_stream_that_is_closed(tmp_path: Path) -> None:
    """A handler may close its stream: the next call gets a new one."""
    with (
        fifo(tmp_path) as (listener, client),
        launched(serve((), "p_closing"), [listener]) as service,
    ):
        for text in ("1", "2"):
            os.write(client, f"{text}\n".encode())
            assert text == line(service)
        assert 0 == service.end()
        assert "" == service.stderr


@flavours
def test_all_kinds_in_one_service(options: tuple[str, ...], prefix: str, tmp_path: Path) -> None:
    """A FIFO, TCP and UDP, each with the handler of its name, in any mix of handlers."""
    with ExitStack() as stack:
        listener, client = stack.enter_context(fifo(tmp_path))
        tcp = stack.enter_context(tcp_listener())
        udp, asker = (stack.enter_context(bound()) for _ in range(2))
        for other, name in (("a", b"async"), ("p", b"plain")):
            words = (
                *(*SERVE, *options, "--threads=1", f"f={FILES}:{prefix}lines"),
                *(f"t={HANDLERS}:{other}_name", "u=tests.support.messages:tell"),
            )
            with launched(words, [listener, tcp, udp], names="f:t:u") as service:
                os.write(client, b"1\n")
                assert "1" == line(service)
                assert name == ask(tcp.getsockname(), b"")
                asker.sendto(b"x", udp.getsockname())
                assert b"x to " == asker.recv(100)
                os.write(client, b"2\n")
                assert "2" == line(service)
                assert 0 == service.end()
                assert ("end\n", "") == (service.stdout, service.stderr)


@flavours
def test_workers(options: tuple[str, ...], prefix: str, tmp_path: Path) -> None:
    """Several processes on a FIFO share its lines, and tear none."""
    words = serve(("--workers=2", *options), f"{prefix}lines")
    with fifo(tmp_path) as (listener, client), launched(words, [listener]) as service:
        writers = start_writers(client)
        seen = [line(service) for _ in range(2 * COUNT)]
        for writer in writers:
            writer.join()
        assert 0 == service.end()
        assert {"end"} == set(service.stdout.split())
    assert sorted(f"{name}{n} {'x' * (n % 90)}" for name in "ab" for n in range(COUNT)) == sorted(
        seen
    )


# Special files.


def test_device() -> None:
    """Each read of a device is one read(2), and Writable=yes lets the handler write."""
    master, slave = os.openpty()
    try:
        with launched(serve((), "device"), [slave]) as service:
            os.write(master, b"hello\n")
            assert "read 6" == line(service)
            echoed = b""
            while b"HELLO" not in echoed:
                echoed += os.read(master, 100)
            assert 0 == service.end()
            assert ("end\n", "") == (service.stdout, service.stderr)
    finally:
        os.close(master)
        os.close(slave)


@pytest.mark.parametrize("other", ["a", "p", ""])
def test_file_with_an_end(tmp_path: Path, other: str) -> None:
    """At the end of its only file, a service ends; one with others goes on."""
    path = tmp_path / "file"
    path.write_text("hello\n")
    fd = os.open(path, os.O_RDONLY)
    with tcp_listener() as tcp:
        words, fds, names = [*SERVE, f"f={FILES}:p_lines"], [fd], "f"
        if other:
            words.append(f"t={HANDLERS}:{other}_name")
            fds, names = [fd, tcp.fileno()], "f:t"
        with launched(words, fds, names=names) as service:
            assert ["hello", "end"] == [line(service) for _ in range(2)]
            if other:
                assert {"a": b"async", "p": b"plain"}[other] == ask(tcp.getsockname(), b"")
                service.process.send_signal(signal.SIGTERM)
            assert 0 == service.wait()
            assert ("", "") == (service.stdout, service.stderr)
    os.close(fd)


def test_reader_for_what_cannot_be_watched(tmp_path: Path) -> None:
    """A regular file needs a plain handler, since the kernel does not tell when it can be read."""
    path = tmp_path / "file"
    path.write_text("hello\n")
    fd = os.open(path, os.O_RDONLY)
    with launched(serve((), "a_lines"), [fd]) as service:
        assert 1 == service.wait()
        assert service.stderr.endswith(" cannot be waited for; write def h(stream) for it\n")
        assert 1 == service.stderr.count("\n")
    os.close(fd)
