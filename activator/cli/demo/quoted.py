"""A daemon as other people write them: the quote of the day, over the sockets it was passed.

It stands alone, knows nothing of this toolkit, and keeps to the protocols of systemd, as
sd_listen_fds(3) and sd_notify(3) have them. SIGHUP lets it read its quotes again.
"""

import os
import selectors
import signal
import socket
import sys
from pathlib import Path

FIRST = 3


def notify(text: str) -> None:
    """Tell the service manager something."""
    if path := os.environ.get("NOTIFY_SOCKET"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.sendto(text.encode(), path.replace("@", "\0", 1))


def main(quotes: str) -> None:
    """Serve what the file says, until SIGTERM ends it."""
    text = Path(quotes).read_text()

    def read_again(*_: object) -> None:
        nonlocal text
        text = Path(quotes).read_text()

    signal.signal(signal.SIGHUP, read_again)
    names = os.environ["LISTEN_FDNAMES"].split(":")
    selector = selectors.DefaultSelector()
    for number in range(int(os.environ["LISTEN_FDS"])):
        listener = socket.socket(fileno=FIRST + number)
        listener.setblocking(False)
        selector.register(listener, selectors.EVENT_READ, names[number])
    notify(f"READY=1\nSTATUS=Quoting from {quotes}")
    while True:
        for key, _ in selector.select():
            assert isinstance(key.fileobj, socket.socket)  # noqa: S101 - we have registered them
            with key.fileobj.accept()[0] as connection:
                connection.sendall(f"{text.strip()} ({key.data})\n".encode())


if __name__ == "__main__":
    main(sys.argv[1])
