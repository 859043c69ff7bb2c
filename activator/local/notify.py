"""Receive what services say through NOTIFY_SOCKET.

Source: sd_notify(3). Datagrams of NAME=VALUE lines; the kernel vouches for the sender's PID.
"""

import os
import socket
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path

_CREDENTIALS = struct.Struct("iII")
_LARGEST = 65536
_MOST_DESCRIPTORS = 253  # SCM_MAX_FD


class NotifySocket:
    """The socket behind NOTIFY_SOCKET, one for all services of a run.

    Args:
        on_message: Called with the sender's PID and the fields of each message.

    Attributes:
        path: What NOTIFY_SOCKET is set to.
    """

    def __init__(self, on_message: Callable[[int, dict[str, str]], None]) -> None:
        self._on_message = on_message
        self._directory = tempfile.mkdtemp(prefix="activator-")
        self.path = f"{self._directory}/notify"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            self._socket.setblocking(False)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            self._socket.bind(self.path)
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
                data, ancillary, _, _ = self._socket.recvmsg(_LARGEST, space)
            except BlockingIOError:
                return
            sender = 0
            for level, kind, payload in ancillary:
                if level != socket.SOL_SOCKET:
                    continue
                if kind == socket.SCM_CREDENTIALS:
                    sender = _CREDENTIALS.unpack(payload)[0]
                elif kind == socket.SCM_RIGHTS:
                    # Closing is the answer that sd_notify_barrier(3) waits for.
                    for fd in struct.unpack(f"{len(payload) // 4}i", payload):
                        os.close(fd)
            lines = data.decode(errors="replace").splitlines()
            fields = (line.partition("=") for line in lines if "=" in line)
            self._on_message(sender, {name: value for name, _, value in fields})

    def close(self) -> None:
        """Close the socket and remove its directory."""
        self._socket.close()
        Path(self.path).unlink(missing_ok=True)
        Path(self._directory).rmdir()
