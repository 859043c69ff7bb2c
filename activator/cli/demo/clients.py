"""Clients: one that asks and is answered, and a crowd that counts who is not."""

import socket
import threading
import time
from collections import Counter
from typing import Self

from activator.local.activated import PATIENCE, Address

NAME = "world"


def ask(address: Address, name: str = NAME, source: str = "") -> str:
    """Send a name, and return the answer without its end of line.

    Args:
        address: Whom to ask.
        name: What to send; nothing at all if it is empty.
        source: The IP address to come from; any if it is empty.

    Raises:
        OSError: There is no answer.
    """
    if source:
        where = ("127.0.0.1", address.port)
        sock = socket.create_connection(where, PATIENCE, source_address=(source, 0))
    else:
        sock = address.connect()
    with sock, sock.makefile("rw", newline="\n") as stream:
        if name:
            stream.write(f"{name}\n")
            stream.flush()
            sock.shutdown(socket.SHUT_WR)
        return stream.read().strip()


class Crowd:
    """Clients side by side, each of which connects, asks and is answered, and then again.

    Args:
        address: Whom they ask.
        clients: How many there are at a time.
        once: Whether each asks once; otherwise until the end of the ``with`` block.

    Attributes:
        answers: How often each answer came.
        lost: Why clients had no answer.
        slowest: How long the slowest answer took: seconds.
    """

    def __init__(self, address: Address, clients: int, *, once: bool = False) -> None:
        self.answers: Counter[str] = Counter()
        self.lost: list[str] = []
        self.slowest = 0.0
        self._address = address
        self._once = once
        self._enough = threading.Event()
        self._news = threading.Condition()
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(clients)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        for thread in self._threads:
            thread.join()

    @property
    def answered(self) -> int:
        """Return how many clients have had an answer."""
        return self.answers.total()

    def wait_for_more(self, count: int) -> None:
        """Wait until so many more clients have been answered, or one has not."""
        with self._news:
            goal = self.answered + count
            self._news.wait_for(lambda: self.answered >= goal or self.lost, PATIENCE)

    def _ask(self) -> None:
        """Be a client."""
        while True:
            start = time.monotonic()
            answer, why = "", "closed without an answer"
            try:
                answer = ask(self._address)
            except OSError as error:
                why = error.strerror or str(error)
            with self._news:
                if answer:
                    self.answers[answer] += 1
                else:
                    self.lost.append(why)
                self.slowest = max(self.slowest, time.monotonic() - start)
                self._news.notify_all()
            if self._once or self._enough.is_set():
                return
