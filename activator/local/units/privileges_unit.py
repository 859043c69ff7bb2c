"""From a unit's lines to what its processes keep of root's privileges.

Source: systemd.exec(5); what an empty line and ``~`` do was seen with systemd 252, 257 and 262.
"""

import os

from activator.local.units.capabilities import ALL, capability_number
from activator.local.units.reader import Reader
from activator.local.units.service_model import Privileges
from activator.unitfile.unquoting import words

_EVERYTHING = (1 << len(ALL)) - 1
# capabilities(7), "The securebits flags".
_BITS = {
    "noroot": 1 << 0,
    "noroot-locked": 1 << 1,
    "no-setuid-fixup": 1 << 2,
    "no-setuid-fixup-locked": 1 << 3,
    "keep-caps": 1 << 4,
    "keep-caps-locked": 1 << 5,
}


def read_privileges(reader: Reader, section: str) -> Privileges:
    """Make the model of what processes keep, which counts for root alone.

    Raises:
        ActivatorError: systemd would skip a line.
    """
    bounding = _set(reader, section, "CapabilityBoundingSet", _EVERYTHING)
    ambient = _set(reader, section, "AmbientCapabilities", 0)
    bits = 0
    for entry in reader.entries(section, "SecureBits"):
        for word in words(entry.value):
            bits |= _BITS.get(word, 0)  # systemd drops others without a word
    if os.geteuid() != 0:
        return Privileges()
    return Privileges(None if bounding == _EVERYTHING else bounding, ambient, bits)


def _set(reader: Reader, section: str, name: str, initial: int) -> int:
    """Return a set of capabilities; the first line replaces what there is, others change it."""
    found = initial
    reader.entries(section, name)
    for entry in reader.lines(section, name):
        inverted = entry.value.startswith("~")
        named = 0
        for word in words(entry.value.removeprefix("~")):
            try:
                named |= 1 << capability_number(word)
            except ValueError:
                continue  # systemd drops it without a word
        if not named or found == initial:
            found = _EVERYTHING & ~named if inverted else named
        else:
            found = found & ~named if inverted else found | named
    return found
