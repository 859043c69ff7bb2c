"""How a process ended, in words, which directives that is about, and what mends it."""

import re
import signal
from functools import cache
from typing import NamedTuple

from activator.common import tables


class End(NamedTuple):
    """What is known of a way to end; empty where nothing is.

    Attributes:
        name: systemd's name of the status.
        lines: The directives that it is about.
        what: What happened.
        cure: What to do.
    """

    name: str = ""
    lines: tuple[str, ...] = ()
    what: str = ""
    cure: str = ""


def end(how: str, status: int) -> End:
    """Return what is known of an end.

    Args:
        how: ``exited``, ``killed`` or ``dumped``.
        status: Its exit status, or the signal.
    """
    return _ends().get(str(status) if how == "exited" else _signal(status), End())


def said(how: str, status: int) -> str:
    """Return how a process ended, in words; the arguments are those of :func:`end`."""
    found = end(how, status)
    if how != "exited":
        return f"signal {status}/{signal_name(status)}" + (f": {found.what}" if found.what else "")
    return f"status {status}/{found.name}: {found.what}" if found.name else f"status {status}"


def cure(how: str, status: int, words: str) -> str:
    """Return what mends a service whose process ended so, with these words."""
    found = end(how, status)
    if how == "exited" and found.cure:
        return found.cure  # the program has not begun: the words are the manager's
    for pattern, what in tables.rows(__file__, "words.tsv"):
        if re.search(pattern, words):
            return what
    return found.cure or (
        "mend what its last words tell" if how == "exited" else "see its last words"
    )


@cache
def _ends() -> dict[str, End]:
    """Return the table by status, or by signal."""
    statuses = {
        status: End(name, tuple(lines.split()), what, mend)
        for status, name, lines, what, mend in tables.rows(__file__, "exits.tsv")
    }
    signals = {
        name: End("", tuple(lines.split()), what, mend)
        for name, lines, what, mend in tables.rows(__file__, "signals.tsv")
    }
    return statuses | signals


def signal_name(number: int) -> str:
    """Return a signal's name without its SIG."""
    return _signal(number).removeprefix("SIG")


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIG{number}"
