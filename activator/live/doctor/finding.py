"""What a diagnosis yields."""

from typing import NamedTuple


class Finding(NamedTuple):
    """Something that keeps a socket from serving, or soon will.

    Attributes:
        name: What is wrong, as one word that scripts can look for.
        unit: The socket.
        message: What is wrong, in a sentence without a full stop.
        evidence: What shows it, a line each.
        commands: What mends it, in the safe order, a line each; a line that begins with ``#``
            says what to do by hand at that point.
    """

    name: str
    unit: str
    message: str
    evidence: tuple[str, ...]
    commands: tuple[str, ...]
