"""Integers in text, C's among them, however long: int() itself refuses thousands of digits.

What has so many is beyond every range here, so it need not be told apart from :data:`ENDLESS`;
nor could it be shown, since str() has the same limit.
"""

# Beyond every integer of systemd, and short enough for a message.
ENDLESS = 10**39
_DIGITS = 39
# C's integers: a sign, a base prefix or a leading 0 for octal, and no fraction; systemd adds
# 0b and 0o, behind which strtol(3) may find a sign.
_C = (
    r"(?a)\s*(?:0[bB](?P<bin>\s*[+-]?[01]+)|0[oO](?P<oct>\s*[+-]?[0-7]+)"
    r"|(?P<sign>[+-]?)(?:0[xX](?P<hex>[0-9a-fA-F]+)|(?P<c>0[0-7]*)|(?P<dec>[1-9][0-9]*)))"
)
_BASES = {"bin": 2, "oct": 8, "hex": 16, "c": 8, "dec": 10}


def bounded(digits: str, base: int = 10) -> int:
    """Return what some digits say, at most :data:`ENDLESS`.

    Args:
        digits: At least one digit of the base, and nothing else.
        base: 2, 8, 10 or 16.
    """
    if len(digits) <= _DIGITS:
        return int(digits, base)
    significant = digits.lstrip("0") or "0"
    if base == 10 and len(significant) > _DIGITS:  # noqa: PLR2004 - the others have no limit
        return ENDLESS
    return min(int(significant, base), ENDLESS)


def decimal(text: str) -> int | None:
    """Return the number that ASCII digits say, at most :data:`ENDLESS`; None for another text."""
    return bounded(text) if text.isascii() and text.isdecimal() else None


def to_integer(text: str) -> int | None:
    """Read an integer as systemd does: decimal, 0x, 0b, 0o, or octal after a leading 0.

    Returns:
        None for another text.
    """
    if text[:1] != "0" and (number := decimal(text)) is not None:
        return number
    import re  # noqa: PLC0415 - a service is passed plain digits

    match = re.fullmatch(_C, text)
    if match is None or match.lastgroup is None:
        return None
    digits = match[match.lastgroup].strip()
    number = bounded(digits.lstrip("+-"), _BASES[match.lastgroup])
    return -number if "-" in (match["sign"], digits[0]) else number
