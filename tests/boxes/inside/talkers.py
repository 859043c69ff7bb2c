"""Talk over WebSockets, and in lines over plain TCP, again and again, until standard input ends.

Knows nothing of the project; the WebSockets are those of the library websockets. A server of lines
that is about to end says "bye", answers what is still under way, and waits for its client to leave.
Prints "ready" when each client has had an answer; at the end, as JSON, how often what happened, and
which versions answered.

Arguments: HOST:PORT of the WebSockets, HOST:PORT of the lines, number of clients of each kind.
"""

import collections
import json
import socket
import sys
import threading
import time

from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import connect

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Conversation = Callable[["Talk", socket.socket], str]

# A client that has waited so long for an answer counts as lost: seconds.
PATIENCE = 60.0
# Between two words of a client, in seconds: the hosts share a machine with others.
PAUSE = 0.05


class Talk:
    """What one client does, and sees.

    Args:
        kind: Its name among the counts.
        address: Whom it talks with.
        first: Where it waits for the others once it has had an answer.
    """

    def __init__(self, kind: str, address: str, first: threading.Barrier) -> None:
        host, _, port = address.rpartition(":")
        self._address = host, int(port)
        self._kind = kind
        self._first: threading.Barrier | None = first

    def count(self, what: str) -> None:
        """Count something that happened."""
        with LOCK:
            COUNTS[f"{self._kind}: {what}"] += 1

    def answered(self, text: str) -> None:
        """Note an answer."""
        with LOCK:
            SAID.add(text.split(maxsplit=1)[0])
        self.count("answered")
        if self._first:
            self._first.wait()
            self._first = None
        time.sleep(PAUSE)

    def run(self, talk: "Conversation") -> None:
        """Connect and talk until it is over."""
        while not OVER.is_set():
            try:
                with socket.create_connection(self._address, PATIENCE) as connection:
                    self.count(talk(self, connection))
            except ConnectionRefusedError:
                self.count("refused")
            except OSError as error:
                self.count(f"cut: {error}")


def web_socket(talk: Talk, connection: socket.socket) -> str:
    """Talk over a WebSocket; return how it ended."""
    url = "ws://shop.example/"
    try:
        with connect(url, sock=connection, open_timeout=PATIENCE, close_timeout=PATIENCE) as web:
            while not OVER.is_set():
                web.send("hello")
                talk.answered(str(web.recv(timeout=PATIENCE)))
    except InvalidHandshake as error:
        return f"no handshake: {error}"
    except ConnectionClosed as error:
        return f"closed with {error.rcvd.code}" if error.rcvd else "cut"
    return "left"


def lines(talk: Talk, connection: socket.socket) -> str:
    """Talk in lines; return how it ended."""
    with connection.makefile("rw") as file:
        while not OVER.is_set():
            file.write("hello\n")
            file.flush()
            text = file.readline()
            told = text == "bye\n"
            if told:
                text = file.readline()
            if not text.endswith("\n"):
                return "cut"
            talk.answered(text)
            if told:
                return "told to go"
    return "left"


COUNTS = collections.Counter[str]()
SAID: set[str] = set()
LOCK = threading.Lock()
OVER = threading.Event()


def main(web: str, line: str, number: int) -> None:
    """Run the clients."""
    first = threading.Barrier(2 * number + 1)
    threads = [
        threading.Thread(target=Talk(kind, address, first).run, args=(talk,), daemon=True)
        for kind, address, talk in (("web", web, web_socket), ("line", line, lines))
        for _ in range(number)
    ]
    for thread in threads:
        thread.start()
    first.wait()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.read()
    OVER.set()
    for thread in threads:
        thread.join()
    sys.stdout.write(json.dumps({"counts": COUNTS, "said": sorted(SAID)}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
