"""Points in time, as systemd.time(7) "Calendar Events" has them."""

import re
from itertools import pairwise

from activator.unitfile.values.verdict import Context, Rejected, Verdict

_WORDS = (
    *("minutely", "hourly", "daily", "weekly", "monthly", "quarterly", "semiannually"),
    *("semi-annually", "biannually", "bi-annually", "half-yearly", "yearly", "annually"),
    "anually",
)
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAY = "|".join(f"{day[:3]}(?:{day[3:]})?" for day in _DAYS)
_WEEKDAYS = re.compile(rf"(?:{_DAY})(?:(?:\.\.|-)(?:{_DAY}))?", re.IGNORECASE)
_PART = r"(?:\*|[0-9]+(?:\.[0-9]+)?(?:\.\.[0-9]+(?:\.[0-9]+)?)?)(?:/[0-9]+(?:\.[0-9]+)?)?"
_PARTS = rf"{_PART}(?:,{_PART})*"
_DATE = re.compile(rf"(?:({_PARTS})-)?({_PARTS})[-~]({_PARTS})")
_TIME = re.compile(rf"({_PARTS}):({_PARTS})(?::({_PARTS}))?")
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+)*")
# Month and day, then hour, minute and second: the least and the greatest number.
_DATE_RANGES = ((1, 12), (1, 31))
_TIME_RANGES = ((0, 23), (0, 59), (0, 59))


def calendar(value: str, _: Context) -> Verdict | None:
    """Check a point in time that may come again."""
    if not _is_calendar(value):
        raise Rejected("this is not a point in time", "write daily, Mon 09:00 or *-*-01 00:00:00")
    return None


def _is_calendar(value: str) -> bool:
    """Return whether systemd reads a text as points in time."""
    if value.lower().split(" ")[0] in _WORDS:
        return _rest_is_zone(value.split()[1:])
    if re.fullmatch(r"@[0-9]+(\.[0-9]+)?", value):
        return True
    words = value.split()
    found = 0
    if words and all(_WEEKDAYS.fullmatch(day) for day in words[0].rstrip(",").split(",")):
        words = words[1:]
        found += 1
    if words and (match := _DATE.fullmatch(words[0])):
        if not _in_ranges(match.groups()[1:], _DATE_RANGES):
            return False
        words = words[1:]
        found += 1
    if words and (match := _TIME.fullmatch(words[0])):
        if not _in_ranges(match.groups(), _TIME_RANGES):
            return False
        words = words[1:]
        found += 1
    return found > 0 and _rest_is_zone(words)


def _rest_is_zone(words: list[str]) -> bool:
    """Return whether nothing is left but the name of a time zone."""
    return not words or (len(words) == 1 and bool(_ZONE.fullmatch(words[0])))


def _in_ranges(parts: tuple[str | None, ...], ranges: tuple[tuple[int, int], ...]) -> bool:
    """Return whether all numbers of a date or time are possible."""
    for part, (low, high) in zip(parts, ranges, strict=True):
        for item in (part or "").split(","):
            numbers = [
                float(number) for number in item.partition("/")[0].split("..") if number > "*"
            ]
            if any(not low <= number <= high + 1 - 1e-9 for number in numbers):
                return False
            if any(first > second for first, second in pairwise(numbers)):
                return False
    return True
