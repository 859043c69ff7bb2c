"""Answer who is there: every service that listens to a multicast group hears the question.

Run it with ``activator run units/multicast.toml``, wake it up and ask the group:
``echo 'who is there?' | socat -t1 - UDP4:127.0.0.1:7754``,
``echo 'who is there?' | socat -t1 - UDP4-DATAGRAM:239.255.77.77:7754,ip-multicast-if=127.0.0.1``.

systemd binds the socket and joins no group, and before that the kernel drops what is sent to it.
So the service must be started once in another way, here at boot or by its second address. From
then on the socket, which outlives the service, is a member, and messages start it as usual.

INTERFACE is the address of the interface to listen on.
"""

import asyncio
import os
from errno import EADDRINUSE
from ipaddress import ip_address
from socket import IP_ADD_MEMBERSHIP, IPPROTO_IP, gethostname, inet_aton, socket
from typing import Any

QUESTION = b"who is there?"


def join(sock: socket, group: bytes) -> None:
    """Make a socket a member of a group, if it is none yet."""
    interface = inet_aton(os.environ.get("INTERFACE", "127.0.0.1"))
    try:
        sock.setsockopt(IPPROTO_IP, IP_ADD_MEMBERSHIP, group + interface)
    except OSError as error:
        if error.errno != EADDRINUSE:  # an earlier process has joined
            raise


class Listener(asyncio.DatagramProtocol):
    """Listen to the group, if the socket is bound to one, and answer each asker alone."""

    transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        """Join the group."""
        self.transport = transport
        sock = transport.get_extra_info("socket")
        group, _ = transport.get_extra_info("sockname")
        if ip_address(group).is_multicast:
            join(sock, inet_aton(group))

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """Answer the question, and nothing else."""
        if data.strip() == QUESTION:
            self.transport.sendto(gethostname().encode() + b"\n", addr)
