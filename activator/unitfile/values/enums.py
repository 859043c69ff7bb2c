"""Enumerations: which words each version takes. The words live in ``enums.tsv``.

Beside words a row may hold ``@boolean`` (yes and no in all their spellings), ``@integer``
(a number, with a range) and ``@fold`` (upper and lower case do not matter). A word that became
another one is obsolete: systemd takes it and complains.
"""

import errno as errnos
import re
from functools import cache
from typing import NamedTuple

from activator.common import tables
from activator.common.integers import to_integer
from activator.unitfile import specifiers
from activator.unitfile.unquoting import words
from activator.unitfile.values.names import fdname
from activator.unitfile.values.numbers import BOOLEANS
from activator.unitfile.values.paths import absolute
from activator.unitfile.values.verdict import NOTICE, Context, Rejected, Verdict

_ERRNO_MAX = 4095
_HOSTNAME_SINCE = 258
_HOSTNAME = (
    r"(?=.{1,64}$)[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*"
)


class Word(NamedTuple):
    """One word of an enumeration.

    Attributes:
        since: The first version that takes it, 0 for all.
        became: The word that took its place; empty if none did.
    """

    since: int
    became: str


@cache
def table(name: str) -> dict[str, Word]:
    """Return an enumeration's words; empty for an unknown name."""
    return _tables().get(name, {})


@cache
def known(name: str, version: int) -> frozenset[str]:
    """Return the words that a version takes."""
    return frozenset(word for word, row in table(name).items() if row.since <= version)


def enum(value: str, context: Context) -> Verdict | None:
    """Check one word; the argument names the enumeration."""
    return _word(value, context, context.argument)


def standard_input(value: str, context: Context) -> Verdict | None:
    """Check a source of standard input."""
    return _stream(value, context, ("file",))


def standard_output(value: str, context: Context) -> Verdict | None:
    """Check a destination of standard output or error."""
    return _stream(value, context, ("file", "append", "truncate"))


def protect_hostname(value: str, context: Context) -> Verdict | None:
    """Check ``yes``, ``no``, ``private`` or, with a host name, ``yes:NAME``."""
    if context.version >= _HOSTNAME_SINCE:
        if not value:
            return None
        kind, colon, host = value.partition(":")
        if colon:
            if bad := specifiers.fault(host, context.version):
                raise Rejected(f"unknown specifier {bad}", specifiers.advice(bad, context.version))
            name = specifiers.sample(host)
            if not re.fullmatch(_HOSTNAME, name) or BOOLEANS.get(kind.lower()) is False:
                raise Rejected("no host name can stand here", "write private:NAME or yes:NAME")
            value = kind
    if not value:
        raise Rejected("the value is missing", "write yes or no")
    return _word(value, context, "protect-hostname")


def refresh_on_reload(value: str, context: Context) -> Verdict | None:
    """Check yes, no or a list of what to refresh, ``~`` for all but these."""
    if value.lower() in BOOLEANS:
        return None
    for word in words(value.removeprefix("~")):
        _word(word, context, "refresh-on-reload")
    return None


def errno(value: str, _: Context) -> Verdict | None:
    """Check an error's name or number, or ``kill``."""
    name = value.upper()
    if value == "kill" or (name.startswith("E") and hasattr(errnos, name)):
        return None
    number = to_integer(value)
    if number is None or not 1 <= number <= _ERRNO_MAX:
        raise Rejected("this is not an error", "write a name such as EPERM, or kill")
    return None


def _stream(value: str, context: Context, files: tuple[str, ...]) -> Verdict | None:
    """Check a stream: a word, ``fd:NAME`` or ``file:PATH``."""
    kind, colon, rest = value.partition(":")
    if not colon:
        return _word(value, context, context.directive.type)
    if kind == "fd":
        return fdname(rest, context)
    if kind not in files:
        raise Rejected(f"{kind}: is none of the kinds", f"write {files[0]}:/PATH or fd:NAME")
    absolute(rest)
    return None


def _word(value: str, context: Context, name: str) -> Verdict | None:
    """Check one word of an enumeration."""
    taken = table(name)
    found = taken.get(value)
    if found is None and "@fold" in taken:
        found = taken.get(value.lower())
    if found is not None and found.since <= context.version:
        if found.became:
            return Verdict(NOTICE, f"it became {found.became}", better=found.became)
        return None
    for special, row in taken.items():
        if special[0] == "@" and row.since <= context.version and _special(special, value):
            return None
    if found is not None:
        raise Rejected(
            f"systemd {context.version} does not know this word", f"it needs {found.since}"
        )
    raise Rejected("this word is unknown", _hint(value, context.version, name))


def _special(special: str, value: str) -> bool:
    """Return whether a value is what ``@boolean`` or ``@integer:LOW..HIGH`` stands for."""
    if special == "@boolean":
        return value.lower() in BOOLEANS
    if not special.startswith("@integer"):
        return False
    number = to_integer(value)
    low, _, high = special.partition(":")[2].partition("..")
    return number is not None and int(low or 0) <= number <= int(high or 2**31 - 1)


def _hint(value: str, version: int, name: str) -> str:
    """Return the words to choose from, or the one that was meant."""
    choices = [
        word
        for word, row in table(name).items()
        if row.since <= version and not row.became and word[0] != "@" and not word.isdecimal()
    ]
    if "@boolean" in table(name):
        choices += ["yes", "no"]
    for choice in choices:
        if choice.lower() == value.lower().replace("_", "-"):
            return f"write {choice}"
    if len(choices) > 12:  # noqa: PLR2004 - a line to read
        return f"write one of {', '.join(choices[:12])}..."
    return f"write {', '.join(choices[:-1])} or {choices[-1]}"


@cache
def _tables() -> dict[str, dict[str, Word]]:
    """Return all enumerations."""
    found: dict[str, dict[str, Word]] = {}
    for name, since, remark, row in tables.rows(__file__, "enums.tsv"):
        word = Word(int(since or 0), remark)
        found.setdefault(name, {}).update(dict.fromkeys(row.split(), word))
    return found
