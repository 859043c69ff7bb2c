"""Visit services inside a box: say hello, and print what each of them answers, as JSON.

Reads a list of visits from standard input: name, address to ask, what to send elsewhere
first, and the log to wait for with its number of lines.
"""

import json
import os
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Semaphore
from typing import Any

PATIENCE = 100.0
POLL = 0.02
# So many visits at a time: what they start shares the machine. Who waits for a log costs nothing.
GATE = Semaphore(8)


def connected(address: Any, source: Any) -> socket.socket:
    """Connect to a path, an abstract name, or host and port."""
    if isinstance(address, list):
        return socket.create_connection(tuple(address), PATIENCE, tuple(source) if source else None)
    error = OSError()
    for kind in (socket.SOCK_STREAM, socket.SOCK_SEQPACKET):
        sock = socket.socket(socket.AF_UNIX, kind)
        sock.settimeout(PATIENCE)
        try:
            if source:
                sock.bind(source.replace("@", "\0"))
            sock.connect(address.replace("@", "\0"))
        except OSError as refused:
            error = refused
            sock.close()
        else:
            return sock
    raise error


def send(target: Any) -> None:
    """Send a datagram, or write into a FIFO."""
    if isinstance(target, list):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"first", tuple(target))
    elif os.path.exists(target) and not os.path.isdir(target) and "fifo" in target:  # noqa: PTH110, PTH112
        Path(target).write_bytes(b"first")
    else:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"first", target.replace("@", "\0"))


def visit(each: dict[str, Any]) -> Any:
    """Make one visit; return the answer, or what kept it from coming."""
    with GATE:
        try:
            answer = asked(each)
        except (OSError, ValueError) as error:
            answer = f"{type(error).__name__}"
    if not each["crowd"]:
        wait_for_lines(each["log"], each["lines"])
    return answer


def asked(each: dict[str, Any]) -> Any:
    """Come as often as a visit says; return the last answer."""
    if each["first"]:
        send(each["first"])
    answer = b""
    if each["crowd"]:
        return crowd(each)
    for _ in range(each["times"]):
        with connected(each["ask"], each["source"]) as sock:
            with suppress(BrokenPipeError):  # it may be closed at once
                sock.sendall(b"hello")
            answer = read_all(sock)
    if isinstance(each["source"], str) and each["source"].startswith("/"):
        os.unlink(each["source"])  # noqa: PTH108
    at_the_end = Path(each["log"]).exists() if each["name"] == "held" else None
    return json.loads(answer) if answer else at_the_end


def crowd(each: dict[str, Any]) -> list[bool]:
    """Connect several times at once; tell of each whether it was answered."""
    socks = [connected(each["ask"], None) for _ in range(each["crowd"])]
    answers = [bool(read_all(sock)) for sock in socks]
    for sock in socks:
        sock.close()
    return answers


def read_all(sock: socket.socket) -> bytes:
    """Read until the other side closes, in whatever way."""
    answer = b""
    with suppress(ConnectionResetError):
        while chunk := sock.recv(1 << 20):
            answer += chunk
    return answer


def wait_for_lines(path: str, count: int) -> None:
    """Wait until a log has so many lines."""
    end = time.monotonic() + PATIENCE
    while count and time.monotonic() < end:
        try:
            if Path(path).read_text(encoding="utf-8").count("\n") >= count:
                return
        except FileNotFoundError:
            pass
        time.sleep(POLL)


def main() -> None:
    """Make all visits, several at a time."""
    visits = json.load(sys.stdin)
    with ThreadPoolExecutor(len(visits)) as pool:
        answers = pool.map(visit, visits)
    names = [each["name"] for each in visits]
    sys.stdout.write(json.dumps(dict(zip(names, answers, strict=True))))


if __name__ == "__main__":
    main()
