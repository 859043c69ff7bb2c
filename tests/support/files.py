"""Handlers of FIFOs, special files and message queues for the tests: a_NAME async, p_NAME plain.

What they get, they write to stdout, a line each.
"""

import sys

import activator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import StreamReader
    from io import BufferedReader, RawIOBase


def say(*words: object) -> None:
    """Write a line."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


async def a_lines(reader: "StreamReader") -> None:
    """Take line after line, to the end."""
    async for line in reader:
        say(line.decode().rstrip("\n"))
    say("end")


def p_lines(stream: "BufferedReader") -> None:
    """Take line after line, to the end."""
    for line in stream:
        say(line.decode().rstrip("\n"))
    say("end")


async def a_one(reader: "StreamReader") -> None:
    """Take one line, and return."""
    say("one", (await reader.readline()).decode().rstrip("\n"))


def p_one(stream: "BufferedReader") -> None:
    """Take one line, and return."""
    say("one", stream.readline().decode().rstrip("\n"))


async def a_boom(reader: "StreamReader") -> None:
    """Take one line, and fail on it if it says so."""
    if b"boom" in (line := await reader.readline()):
        raise ValueError("boom")
    say(line.decode().rstrip("\n"))


def p_boom(stream: "BufferedReader") -> None:
    """Take one line, and fail on it if it says so."""
    if b"boom" in (line := stream.readline()):
        raise ValueError("boom")
    say(line.decode().rstrip("\n"))


async def a_blind(reader: "StreamReader") -> None:
    """Read nothing."""
    del reader
    say("blind")


def p_blind(stream: "BufferedReader") -> None:
    """Read nothing."""
    del stream
    say("blind")


async def a_slow(reader: "StreamReader") -> None:
    """Take a line, wait until the service drains, then take the rest."""
    say((await reader.readline()).decode().rstrip("\n"))
    await activator.draining
    await a_lines(reader)


def p_slow(stream: "BufferedReader") -> None:
    """Take a line, wait until the service drains, then take the rest."""
    say(stream.readline().decode().rstrip("\n"))
    activator.draining.wait()
    p_lines(stream)


async def a_deaf(reader: "StreamReader") -> None:
    """Take a line, and stay whatever happens."""
    import asyncio  # noqa: PLC0415 - this file stays light

    say((await reader.readline()).decode().rstrip("\n"))
    await asyncio.sleep(3600)


def p_deaf(stream: "BufferedReader") -> None:
    """Take a line, and stay whatever happens."""
    import time  # noqa: PLC0415 - this file stays light

    say(stream.readline().decode().rstrip("\n"))
    time.sleep(3600)


def p_closing(stream: "BufferedReader") -> None:
    """Take a line, and close the stream."""
    with stream:
        say(stream.readline().decode().rstrip("\n"))


def device(file: "RawIOBase") -> None:
    """Take what each read(2) gives, and send it back in capital letters if it can be sent."""
    while data := file.read(100):
        say("read", len(data))
        file.write(data.upper())
    say("end")


def queue(message: "activator.Message", priority: int) -> bytes | None:
    """Tell of a message; answer if it asks for it."""
    say(priority, len(message), message[:20].decode(), priority == message.priority)
    if message == b"boom":
        raise ValueError("boom")
    return b"answer" if message == b"?" else None


def uevent(data: bytes, addr: tuple[int, int]) -> None:
    """Tell of what the kernel says of devices."""
    say(addr, data.partition(b"\0")[0].decode())
