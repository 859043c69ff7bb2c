"""Integers in text, however long: int() itself refuses thousands of digits.

What has so many is beyond every range here, so it need not be told apart from :data:`ENDLESS`;
nor could it be shown, since str() has the same limit.
"""

# Beyond every integer of systemd, and short enough for a message.
ENDLESS = 10**39
_DIGITS = 39


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
