"""The name and number of a user that exists only while its service runs: DynamicUser=.

Source: systemd.exec(5); the range is that of UIDS-GIDS of systemd's documentation. The first
number that is tried depends on the name alone, by SipHash-2-4 with systemd's key, so that it
is the same under both, and at each start.
"""

import grp
import pwd
import re

FIRST, LAST = 61184, 65519
_KEY = bytes.fromhex("37537e31cfce48f58abb39578dd9ec59")
_NAME_KEY = bytes.fromhex("581aafe628584e96b44ef53b8c9207ec")
_USER_NAME = r"[A-Za-z_][A-Za-z0-9_-]{0,30}"
_MASK = (1 << 64) - 1
_BLOCK = 8


def dynamic_name(unit: str) -> str:
    """Return the user's name that a unit without User= gets."""
    prefix, _, _ = unit.rpartition(".")[0].partition("@")
    if re.fullmatch(_USER_NAME, prefix):
        return prefix
    return f"_du{siphash(prefix.encode(), _NAME_KEY):016x}"


def dynamic_uid(name: str) -> int:
    """Return a free number for a user's name.

    Raises:
        OSError: All are taken.
    """
    count = LAST - FIRST + 1
    start = (siphash(name.encode(), _KEY) & 0xFFFFFFFF) % count
    for offset in range(count):
        number = FIRST + (start + offset) % count
        if not _taken(number):
            return number
    raise OSError("no user is left")


def siphash(data: bytes, key: bytes) -> int:
    """Return the SipHash-2-4 of some bytes, with a key of 16 bytes."""
    first, second = (int.from_bytes(part, "little") for part in (key[:8], key[8:]))
    state = [
        first ^ 0x736F6D6570736575,
        second ^ 0x646F72616E646F6D,
        first ^ 0x6C7967656E657261,
        second ^ 0x7465646279746573,
    ]
    rest = len(data) % _BLOCK
    padded = data + bytes(_BLOCK - 1 - rest) + bytes([len(data) & 0xFF])
    for position in range(0, len(padded), _BLOCK):
        word = int.from_bytes(padded[position : position + _BLOCK], "little")
        state[3] ^= word
        _rounds(state, 2)
        state[0] ^= word
    state[2] ^= 0xFF
    _rounds(state, 4)
    return state[0] ^ state[1] ^ state[2] ^ state[3]


def _taken(number: int) -> bool:
    """Tell whether a user or group has a number."""
    for look in (pwd.getpwuid, grp.getgrgid):
        try:
            look(number)
        except KeyError:
            continue
        return True
    return False


def _rounds(state: list[int], count: int) -> None:
    """Mix the state."""
    for _ in range(count):
        _mix(state, 0, 1, 13, 32)
        _mix(state, 2, 3, 16, 0)
        _mix(state, 0, 3, 21, 0)
        _mix(state, 2, 1, 17, 32)


def _mix(state: list[int], one: int, other: int, turn: int, last: int) -> None:
    """Add, turn and combine two words; turn the first one at last."""
    state[one] = (state[one] + state[other]) & _MASK
    state[other] = _turned(state[other], turn) ^ state[one]
    state[one] = _turned(state[one], last)


def _turned(word: int, bits: int) -> int:
    """Rotate a word to the left."""
    return (word << bits | word >> (64 - bits)) & _MASK
