"""Which peers are proxies that are believed: ``--proxy-protocol FROM``."""

from ipaddress import ip_address, ip_network
from socket import AF_INET, AF_INET6, AF_UNIX, SOCK_STREAM

from activator.common.peers import plain
from activator.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network
    from socket import socket

    from activator.runtime.listen import Listener

INTERNET = (AF_INET, AF_INET6)
WORDS = {"local": ("127.0.0.0/8", "::1")}


class Trusted:
    """Peers that tell by the PROXY protocol who their clients are.

    Args:
        text: Who they are, with commas between: networks, ``local`` (this machine's, over the
            loopback) and ``unix`` (whoever may connect to a Unix socket).

    Raises:
        UsageError: One of them is neither.
    """

    def __init__(self, text: str) -> None:
        words = text.split(",")
        self._has_unix = "unix" in words
        self._networks: list[IPv4Network | IPv6Network] = []
        for word in words:
            for network in WORDS.get(word, (word,) if word != "unix" else ()):
                try:
                    self._networks.append(ip_network(network))
                except ValueError as error:
                    # It knows about bits that are set beyond the prefix.
                    why = str(error) if "host bits" in str(error) else f"{word!r} is not a network"
                    raise UsageError(
                        why, "write 192.0.2.0/24, 2001:db8::1, local or unix, with commas between"
                    ) from None

    def concern(self, listener: "Listener") -> bool:
        """Tell whether a listener's connections come from proxies alone."""
        if listener.family is None or listener.socket().type != SOCK_STREAM:
            return False
        if listener.family == AF_UNIX:
            return self._has_unix
        return listener.family in INTERNET and bool(self._networks)

    def have(self, sock: "socket") -> bool:
        """Tell whether a connection comes from one of them.

        Raises:
            OSError: It is gone.
        """
        if sock.family == AF_UNIX:
            return self._has_unix
        found = ip_address(plain(sock.getpeername()[0].partition("%")[0]))
        return any(found in network for network in self._networks)
