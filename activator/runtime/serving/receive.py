"""Receive datagrams whole and with all that came along, and answer from where they came to.

What comes along is ancillary data (recvmsg(2)): the address a message came to, which
PassPacketInfo= asks for, and its time of arrival, which Timestamping= does.
"""

import errno
import os
import struct
from select import POLLOUT, poll
from socket import (
    AF_INET,
    AF_INET6,
    AF_NETLINK,
    AF_UNIX,
    CMSG_SPACE,
    IPPROTO_IP,
    IPPROTO_IPV6,
    IPV6_PKTINFO,
    IPV6_RECVPKTINFO,
    MSG_CMSG_CLOEXEC,
    MSG_DONTWAIT,
    MSG_TRUNC,
    SCM_RIGHTS,
    SOL_SOCKET,
    inet_ntop,
)
from time import monotonic, sleep

from activator.runtime.serving.accept import PASSING, SCARCE, BrokenListenerError, ScarceError
from activator.runtime.serving.memory import NO_MEMORY
from activator.runtime.serving.message import Message
from activator.runtime.serving.report import Rarely

TYPE_CHECKING = False
if TYPE_CHECKING:
    from socket import socket
    from typing import Any

    from activator.runtime.listen import Listener
    from activator.runtime.serving.message import MessageHandler
    from activator.runtime.serving.unread import Unread

    Ancillary = list[tuple[int, int, bytes]]

# Linux's numbers; Python's socket module has the first from 3.14 on, the others never.
IP_PKTINFO = 8
SO_TIMESTAMP = 29
SO_TIMESTAMPNS = 35
SCM_PIDFD = 4
MULTICAST = 224  # the first byte of an IPv4 address from which on they are no host's
WILDCARDS = ("0.0.0.0", "::")
# Room for packet information of both families, a timestamp, and as much again.
ANCILLARY = 2 * (CMSG_SPACE(12) + CMSG_SPACE(20) + CMSG_SPACE(16))
# How long a plain handler's answer may wait for room in the socket's buffer, in seconds.
ANSWER = 1.0
# And where it is the client's queue that is full, once for each such client; of how many to know.
UNIX_ANSWER = 0.1
CLIENTS = 4096
# An answer that cannot be sent because of who asked: gone, out of reach, behind a firewall.
UNREACHABLE = PASSING | {errno.ECONNREFUSED, errno.ENOENT, errno.ENOTCONN, errno.ECONNRESET}


class Channel:
    """A datagram socket; it does not own it.

    On an internet socket that listens on all addresses it asks for the address that each
    message came to, since the kernel would choose another one for the answer.

    Attributes:
        unread: Who may be answered now, of the clients of a Unix socket.

    Args:
        listener: The datagram listener.
        longest: The longest message taken, in bytes; longer ones are reported and dropped.
    """

    def __init__(self, listener: "Listener", longest: int) -> None:
        self.listener = listener
        self.socket: socket = listener.socket()
        self._buffer = bytearray(longest)
        self._view = memoryview(self._buffer)
        self._too_long = Rarely()
        self._no_answer = Rarely()
        self._lost = Rarely()
        self.unread: Unread | None = None
        self._full: set[object] = set()  # clients whose queue was found full
        family = self.socket.family
        if family == AF_UNIX:
            from activator.runtime.serving import unread  # noqa: PLC0415 - rarely needed

            self.unread = unread.Unread(self.socket)
        if family in (AF_INET, AF_INET6) and self.socket.getsockname()[0] in WILDCARDS:
            self.socket.setsockopt(IPPROTO_IP, IP_PKTINFO, 1)
            if family == AF_INET6:
                self.socket.setsockopt(IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)

    def receive(self) -> Message | None:
        """Return the next message; None if there is none for now, or only one too long.

        Raises:
            ScarceError: Come back later; its text says why.
            BrokenListenerError: Never come back; its text says why.
        """
        try:
            # MSG_TRUNC makes it say how long the message was, not how much of it fitted.
            length, ancillary, _, sender = self.socket.recvmsg_into(
                [self._buffer], ANCILLARY, MSG_DONTWAIT | MSG_TRUNC | MSG_CMSG_CLOEXEC
            )
        except MemoryError:
            raise ScarceError(f"cannot receive on {self.listener} for now: {NO_MEMORY}") from None
        except OSError as error:
            if error.errno in UNREACHABLE:
                return None
            if error.errno == errno.ENOBUFS and self.socket.family == AF_NETLINK:
                # netlink(7): the kernel says so once, and has dropped messages.
                self._lost.line(
                    f"messages on {self.listener} were lost: they came faster than they were "
                    "taken; a larger ReceiveBuffer= would help"
                )
                return None
            text = f"cannot receive on {self.listener}"
            if error.errno in SCARCE:
                raise ScarceError(f"{text} for now: {error.strerror}") from None
            raise BrokenListenerError(f"{text} any more: {error.strerror}") from None
        if self.socket.family == AF_UNIX:
            _close_passed(ancillary)
        if length > len(self._buffer):
            self._too_long.line(
                f"a message of {length} bytes on {self.listener} is longer than "
                f"{len(self._buffer)} and was dropped; --message-max raises that"
            )
            return None
        message = Message(self._view[:length])
        message.channel = self
        message.sender = sender
        if ancillary:
            _note(message, ancillary)
        return message

    def hand(self, message: Message, handler: "MessageHandler") -> bytes | None:
        """Call a handler with a message and its sender."""
        return handler(message, message.sender)

    def sendto(self, data: bytes, address: "Any") -> int:
        """Send to an address, as socket.sendto(); an error is raised."""
        return self.socket.sendto(data, address)

    def answer(self, data: bytes, message: Message) -> None:
        """Send an answer from the address that the message came to.

        A client that has gone costs nothing. What else keeps the answer from leaving is said
        on stderr, now and then.
        """
        if not message.sender:
            self._no_answer.line(f"cannot answer on {self.listener}: the client has no address")
            return
        try:
            if self.unread:
                self._send_to_unix(data, message.sender, self.unread)
            else:
                self._send(data, message)
        except OSError as error:
            if error.errno not in UNREACHABLE or error.errno == errno.EAGAIN:
                self._no_answer.line(
                    f"an answer of {len(data)} bytes on {self.listener} was not sent: "
                    f"{error.strerror}"
                )

    def _send_to_unix(self, data: bytes, client: "Any", unread: "Unread") -> None:
        """Send, or raise BlockingIOError if the client does not read; it costs others little."""
        sleep(unread.patience(client))
        if not unread.allows(client):
            raise BlockingIOError(errno.EAGAIN, "the client does not read")
        until = monotonic() + (0.0 if client in self._full else UNIX_ANSWER)
        while True:
            try:
                self.socket.sendto(data, MSG_DONTWAIT, client)
            except BlockingIOError:
                if monotonic() >= until:
                    if len(self._full) >= CLIENTS:
                        self._full.clear()
                    self._full.add(client)
                    raise
                sleep(UNIX_ANSWER / 10)  # poll(2) says nothing of the client's queue
            else:
                self._full.discard(client)
                unread.sent(client, len(data))
                return

    def _send(self, data: bytes, message: Message) -> None:
        for last in (False, True):
            try:
                self.socket.sendmsg([data], message.source, MSG_DONTWAIT, message.sender)
            except BlockingIOError:
                if last:
                    raise
                room = poll()
                room.register(self.socket, POLLOUT)
                room.poll(ANSWER * 1000)
            else:
                return


def _close_passed(ancillary: "Ancillary") -> None:
    """Close what a client has sent along: whoever may write to the socket may do that (unix(7)).

    Of those that do not fit (MSG_CTRUNC), the kernel closes the rest.
    """
    for level, kind, data in ancillary:
        if level == SOL_SOCKET and kind in (SCM_RIGHTS, SCM_PIDFD):
            for fd in memoryview(data).cast("i"):
                os.close(fd)


def _note(message: Message, ancillary: "Ancillary") -> None:
    for level, kind, data in ancillary:
        if level == IPPROTO_IPV6 and kind == IPV6_PKTINFO:
            address, index = data[:16], struct.unpack("@I", data[16:20])[0]
            message.destination, message.interface = inet_ntop(AF_INET6, address), index
            # An answer cannot leave from a multicast address; a link-local one needs its link.
            is_multicast = address[:1] == b"\xff"
            linked = is_multicast or address[:2] == b"\xfe\x80"
            source = bytes(16) if is_multicast else address
            info = source + struct.pack("@I", index if linked else 0)
            message.source = ((level, kind, info),)
        elif level == IPPROTO_IP and kind == IP_PKTINFO:
            index, local, destination = struct.unpack("@i4s4s", data[:12])
            if not message.destination:
                message.destination, message.interface = inet_ntop(AF_INET, destination), index
                # The local address is that of the interface, where the other is a broadcast. It
                # is not known of what arrived before the option was set.
                if not any(local) and destination[0] < MULTICAST:
                    local = destination
                info = struct.pack("@i4s4s", 0, local, bytes(4))
                message.source = ((level, kind, info),)
        elif level == SOL_SOCKET and kind == SO_TIMESTAMPNS:
            whole, part = struct.unpack("@ll", data[:16])
            message.timestamp_ns = whole * 10**9 + part
        elif level == SOL_SOCKET and kind == SO_TIMESTAMP:
            whole, part = struct.unpack("@ll", data[:16])
            message.timestamp_ns = whole * 10**9 + part * 1000
