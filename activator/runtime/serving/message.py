"""One datagram, or one message of a queue."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    MessageHandler = Callable[["Message", Any], bytes | None]

    class Answering(Protocol):
        """Where a message came from."""

        def answer(self, data: bytes, message: "Message", /) -> None:
            """Answer it."""


class Message(bytes):
    """One datagram: its bytes, and what is known of it.

    Attributes:
        channel: Where it came from; ``channel.answer(data, message)`` answers it, as does what
            a handler returns.
        sender: The address that an answer goes to; empty or None for an unnamed Unix client.
        destination: The address it was sent to, as text; empty if that was not asked for, by
            PassPacketInfo= or by listening on all addresses.
        interface: The index of the network interface it came in by; 0 if unknown.
        timestamp_ns: When it arrived, as time.time_ns(); 0 without Timestamping=.
        priority: Its priority in a message queue; 0 for all else.
    """

    channel: "Answering"
    sender: "Any" = None
    destination: str = ""
    interface: int = 0
    timestamp_ns: int = 0
    priority: int = 0
    # What makes an answer leave from where the message came to.
    source: "tuple[tuple[int, int, bytes], ...]" = ()
