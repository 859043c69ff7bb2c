"""Receive what services say through NOTIFY_SOCKET.

Source: sd_notify(3). Datagrams of NAME=VALUE lines; the kernel vouches for the sender's PID.
"""

import os
import socket
import struct
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

_CREDENTIALS = struct.Struct("iII")
_LARGEST = 65536
_MOST_DESCRIPTORS = 253  # SCM_MAX_FD


@dataclass
class Message:
    """One message.

    Attributes:
        sender: The PID that sent it, by the kernel's word.
        uid: Its user.
        fields: Its lines.
        descriptors: What came along; :meth:`close` closes those that nobody took.
    """

    sender: int
    uid: int
    fields: dict[str, str]
    descriptors: list[int] = field(default_factory=list)

    def take(self) -> list[int]:
        """Return the descriptors, which are the caller's from now on."""
        taken, self.descriptors = self.descriptors, []
        return taken

    def close(self) -> None:
        """Close the descriptors; that is the answer that sd_notify_barrier(3) waits for."""
        for fd in self.take():
            os.close(fd)


class NotifySocket:
    """The socket behind NOTIFY_SOCKET, one for all services of a run.

    Args:
        on_message: Called with each message, which is closed afterwards.

    Attributes:
        path: What NOTIFY_SOCKET is set to.
    """

    def __init__(self, on_message: Callable[[Message], None]) -> None:
        self._on_message = on_message
        self._directory = tempfile.mkdtemp(prefix="activator-")
        self.path = f"{self._directory}/notify"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            self._socket.setblocking(False)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            self._socket.bind(self.path)
            if os.geteuid() == 0:
                # Services of other users must reach it; who may say what is decided by PID.
                os.chmod(self._directory, 0o711)  # noqa: PTH101, S103
                os.chmod(self.path, 0o666)  # noqa: PTH101, S103
        except OSError:
            self.close()
            raise

    def fileno(self) -> int:
        """Return the descriptor to be polled; it stays ours."""
        return self._socket.fileno()

    def receive(self) -> None:
        """Read all messages that have arrived."""
        space = socket.CMSG_SPACE(_CREDENTIALS.size) + socket.CMSG_SPACE(4 * _MOST_DESCRIPTORS)
        while True:
            try:
                data, ancillary, _, _ = self._socket.recvmsg(
                    _LARGEST, space, socket.MSG_CMSG_CLOEXEC
                )
            except BlockingIOError:
                return
            lines = data.decode(errors="replace").split("\n")  # no other ends a line
            pairs = (line.partition("=") for line in lines if "=" in line)
            message = Message(0, -1, {name: value for name, _, value in pairs})
            for level, kind, payload in ancillary:
                if level != socket.SOL_SOCKET:
                    continue
                if kind == socket.SCM_CREDENTIALS:
                    message.sender, message.uid, _ = _CREDENTIALS.unpack(payload)
                elif kind == socket.SCM_RIGHTS:
                    count = len(payload) // 4
                    message.descriptors += struct.unpack(f"{count}i", payload[: 4 * count])
            try:
                self._on_message(message)
            finally:
                message.close()

    def close(self) -> None:
        """Close the socket and remove its directory."""
        self._socket.close()
        Path(self.path).unlink(missing_ok=True)
        Path(self._directory).rmdir()
