"""Echo what the client sends, over connections that outlive the service's restarts.

The unit needs FileDescriptorStoreMax=. At a restart the handler leaves its connection with the
service manager, and the handler of the next process goes on with it. The name is that of the
socket, so that the same handler gets it.
"""

import select

import activator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from socket import socket

NAME = "lasting"


def echo(sock: "socket") -> None:
    """Send every chunk back, until the client has sent its last or the service is restarted."""
    # A plain socket has no buffer of its own, so nothing that was read can be left behind.
    waiting = select.poll()
    waiting.register(sock, select.POLLIN)
    waiting.register(activator.draining, select.POLLIN)
    while True:
        waiting.poll()
        if activator.draining.is_set():
            activator.fdstore.keep(NAME, sock)
            return
        data = sock.recv(65536)
        if not data:
            return
        sock.sendall(data)
