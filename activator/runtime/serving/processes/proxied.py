"""Connections of proxies, which get their processes once it is known whose they are.

Loaded only where a proxy is trusted.
"""

from os import close
from select import POLLIN
from socket import SOCK_STREAM

from activator.runtime.serving.before.proxied import Introductions, Waiting, kind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from select import poll
    from typing import Any

    from activator.runtime.listen import Listener
    from activator.runtime.serving.trusted import Trusted


class Proxied(Waiting):
    """Those whose headers have not come whole.

    Args:
        trusted: The proxies.
        listeners: All that are polled; those of proxies are found among them.
        poll: Has the descriptors that are waited for.
        refused: Called for each connection that is not to be served.
        hurry: Called when there is one more whose time will pass.
    """

    def __init__(
        self,
        trusted: "Trusted",
        listeners: "Iterable[Listener]",
        poll: "poll",
        refused: "Callable[[], object]",
        hurry: "Callable[[], object]",
    ) -> None:
        def watch(fd: int) -> None:
            poll.register(fd, POLLIN)
            hurry()

        super().__init__(Introductions(trusted, refused), watch, poll.unregister)
        self._listeners = [each for each in listeners if trusted.concern(each)]

    def concern(self, listener: "Listener") -> bool:
        """Tell whether a listener's clients are proxies."""
        return listener in self._listeners

    def accepted(
        self, listener: "Listener", fd: int, done: "Callable[[Listener, Any, Any], object]"
    ) -> None:
        """Take a connection over, and call something once its header is whole.

        Args:
            listener: Whose connection it is.
            fd: Its descriptor.
            done: Called with the listener, the connection and the client's address.
        """

        def whole(known: "Any") -> None:
            try:
                address = known.getpeername()
            except OSError:  # it has gone
                address = None
            done(listener, known, address)

        try:
            sock = kind()(listener.family, SOCK_STREAM, 0, fd)
        except MemoryError:
            close(fd)
            raise
        self.add(sock, whole)
