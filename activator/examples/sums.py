"""Add numbers up for clients of a sequential-packet socket: each packet is a request.

Run it with ``activator run --runtime-dir /tmp/run units/sums.toml`` and ask:
``echo '[1, 2, 3]' | socat -t1 - UNIX-CONNECT:/tmp/run/sums.sock,type=5``.

Such sockets have connections as streams have, and keep messages apart as datagrams do: so there
is nothing to frame. A plain handler with the socket serves them.
"""

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from socket import socket

LONGEST = 65536


def sums(sock: "socket") -> None:
    """Answer each packet, a list of numbers in JSON, with their sum."""
    while request := sock.recv(LONGEST):
        try:
            answer = str(sum(json.loads(request)))
        except (TypeError, ValueError) as error:
            answer = f"error: {error}"
        sock.sendall(answer.encode() + b"\n")
