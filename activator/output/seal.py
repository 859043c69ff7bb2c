"""Whose a unit file is: ours as written, ours but edited since, or somebody else's.

Each unit carries its fingerprint in its head comment::

    # activator: name=echo sha256=9f86…

The digest is that of the file's name and its whole text without the digest itself, so that
every later edit shows, and a copy under another name as well. The name is the spec's: all
units of one name belong together, and no other record of them is kept anywhere.
"""

import hashlib
from typing import NamedTuple

from activator.common import origin


class Seal(NamedTuple):
    """What a unit file says of its origin.

    Attributes:
        name: The name of the spec it was made from.
        intact: Whether the file is still as it was written.
    """

    name: str
    intact: bool


def seal(unit: str, text: str, name: str) -> str:
    """Return a unit's text with its fingerprint at the end of its head comment.

    Args:
        unit: The file's name.
        text: The rendered text, without a fingerprint.
        name: The spec's name, without white space.
    """
    end = origin.head(text)
    before, after = f"{text[:end]}# activator: name={name} sha256=", f"\n{text[end:]}"
    return f"{before}{_digest(unit, before, after)}{after}"


def read(unit: str, text: str) -> Seal | None:
    """Return what a file says of its origin, or None if we did not write it.

    Args:
        unit: The file's name.
        text: A file's text, undecodable bytes as surrogates.
    """
    found = origin.found(text)
    if found is None:
        return None
    digest = _digest(unit, text[: found.start(2)], text[found.end(2) :])
    return Seal(found[1], digest == found[2])


def _digest(unit: str, before: str, after: str) -> str:
    """Return the digest of a file's name and its text, given in two parts."""
    data = f"{unit}\n{before}{after}".encode(errors="surrogateescape")
    return hashlib.sha256(data, usedforsecurity=False).hexdigest()
