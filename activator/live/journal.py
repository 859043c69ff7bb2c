"""What the journal has of units: how their processes ended, and what was said about it.

Source: systemd.journal-fields(7); sd-messages.h for the identifiers of messages.
"""

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from activator.common.worker_end import last_word
from activator.live.call import call

# Of syslog(3), as the journal keeps them.
_ERR, _NOTICE = 3, 5
# Messages of the manager that are no reasons hold one of these.
_IDLE = ("Failed with result", "ignoring", "Scheduled restart")
_INVOCATIONS = ("INVOCATION_ID", "_SYSTEMD_INVOCATION_ID")
_PROCESS_EXIT = "98e322203f7a4ed290d09fe03c09fe15"
# How long the message of a failure may take, and how often it is looked for: seconds.
_LATE_S, _AGAIN_S = 3.0, 0.05
_SUCCESS, _FAILURE = "7ad2d189f7e94e70a38c781354912448", "d9b373ed55a64feb8242e02dbe79a49c"
_RELOADING, _RELOADED = "d34d037fff1847e6ae669a370e694725", "7b05ebc668384222baa8881179cfda54"
# How much later than the end of a reload its words may be read: microseconds.
_LATE_US = 1_000_000


def entries(name: str, since: float, *, user: bool) -> list[dict[str, Any]]:
    """Return the log entries of a unit, or of all that a pattern names, oldest first.

    As far as the caller may read them.

    Args:
        name: The unit, or a pattern such as ``echo@*.service``.
        since: Seconds since the epoch.
        user: Whether it is of the calling user's manager.

    Raises:
        ActivatorError: journalctl does not answer.
    """
    synced()
    return _logged(name, since, user=user)


def of_failure(name: str, since: float, *, user: bool) -> list[dict[str, Any]]:
    """Return the log entries of a unit that has failed; else as :func:`entries`.

    Only root may have the last messages written, which are still on their way; others wait until
    that of the failure is there.
    """
    deadline = time.monotonic() + _LATE_S
    written = synced()
    while True:
        found = _logged(name, since, user=user)
        told = any(entry.get("MESSAGE_ID") == _FAILURE for entry in found)
        if written or told or time.monotonic() > deadline:
            return found
        time.sleep(_AGAIN_S)


def synced() -> bool:
    """Have the journal write what it has been sent; tell whether it has."""
    done = call(["journalctl", "--sync"])
    return done is not None and not done.returncode


def _logged(name: str, since: float, *, user: bool) -> list[dict[str, Any]]:
    if "*" in name:
        which = [f"--{'user-' if user else ''}unit={name}", "--lines=200"]
    else:
        # What --unit stands for, but for messages of the manager's helpers: when they are
        # read, the helper may have ended, and nothing but UNIT= tells what they are about.
        fields = ("USER_UNIT", "_SYSTEMD_USER_UNIT") if user else ("UNIT", "_SYSTEMD_UNIT")
        which = [f"{fields[0]}={name}", "+", f"{fields[1]}={name}"]
    options = ("--output=json", "--no-pager", "--quiet", f"--since=@{since:.6f}")
    return rows(["journalctl", *options, *which])


def rows(argv: list[str]) -> list[dict[str, Any]]:
    """Return what journalctl prints as JSON; nothing where it fails."""
    done = call(argv)
    lines = done.stdout.split("\n") if done is not None and not done.returncode else []
    return [json.loads(line) for line in lines if line]


class Run(NamedTuple):
    """A run of a unit that has ended.

    Attributes:
        entries: What was logged of it.
        how: How its process ended: ``exited``, ``killed`` or ``dumped``; empty if nothing tells.
        status: The exit status, or the signal.
        unit: The unit.
        result: Result= of the unit; empty if nothing tells.
        invocation: Its InvocationID=; empty likewise.
        beside: The command whose process it was, if not that of ExecStart=.
    """

    entries: list[dict[str, Any]]
    how: str = ""
    status: int = 0
    unit: str = ""
    result: str = ""
    invocation: str = ""
    beside: str = ""


def last_run(found: list[dict[str, Any]]) -> Run:
    """Return the run that ended or failed last; all that there is if nothing tells of an end.

    Of several processes that ended in it, the first is the cause: a command that fails has
    systemd end the others.
    """
    for last in reversed(found):
        if last.get("MESSAGE_ID") not in (_PROCESS_EXIT, _FAILURE):
            continue
        unit = _unit(last)
        entries = list(_of(unit, invocation(last), found))
        exits = (
            entry
            for entry in entries
            if entry.get("MESSAGE_ID") == _PROCESS_EXIT and entry.get("COMMAND") != "ExecReload"
        )
        run = Run(entries, unit=unit, result=_result(entries), invocation=invocation(last))
        first = next(exits, None)
        if first is None:
            return run
        beside = "" if "Main process" in first["MESSAGE"] else str(first.get("COMMAND", ""))
        how, status = str(first["EXIT_CODE"]), int(first["EXIT_STATUS"])
        return run._replace(how=how, status=status, beside=beside)
    return Run(found, result=_result(found))


def _result(found: list[dict[str, Any]]) -> str:
    """Return the last result that is told; systemd.exec(5), $SERVICE_RESULT."""
    told = (str(entry["UNIT_RESULT"]) for entry in reversed(found) if "UNIT_RESULT" in entry)
    return next(told, "")


def ends(found: Iterable[Mapping[str, Any]]) -> list[float]:
    """Return when processes of a unit ended, in seconds since the epoch."""
    return [
        int(entry["__REALTIME_TIMESTAMP"]) / 1e6
        for entry in found
        if entry.get("MESSAGE_ID") == _PROCESS_EXIT
    ]


def manager_messages(name: str, found: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return what the manager said of a unit, a line each."""
    said = (entry.get("MESSAGE") for entry in found if _by_manager(entry))
    return [line for line in said if isinstance(line, str) and line.startswith(f"{name}: ")]


def program_messages(found: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return what a unit's own processes said, a line each."""
    said = (entry.get("MESSAGE") for entry in found if not _by_manager(entry))
    return [line for text in said if isinstance(text, str) for line in text.split("\n")]


def _by_manager(entry: Mapping[str, Any]) -> bool:
    # Of its helper's messages, systemd 262 says no more than the invocation in some.
    return any(field in entry for field in ("UNIT", "USER_UNIT", "INVOCATION_ID"))


def _of(unit: str, wanted: str, found: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield what was logged of a run, from its first message to the first of another run."""
    of_unit = [entry for entry in found if _unit(entry) == unit]
    # What a program says may be read before what the manager says of its start.
    begun = next(filter(None, map(invocation, of_unit)), "") == wanted
    for entry in of_unit:
        this = invocation(entry)
        begun = this == wanted or (begun and not this)
        # Of a process that is gone when its words are read, the invocation is not known; what the
        # manager says without one is about the file.
        own = not any(field in entry for field in ("UNIT", "USER_UNIT"))
        if this == wanted or (begun and own and not this):
            yield entry


def _unit(entry: Mapping[str, Any]) -> str:
    fields = ("UNIT", "USER_UNIT", "_SYSTEMD_USER_UNIT", "_SYSTEMD_UNIT")
    return str(next((entry[field] for field in fields if field in entry), ""))


def invocation(entry: Mapping[str, Any]) -> str:
    """Return the InvocationID= that an entry is of; empty if nothing tells."""
    # A user's manager has an invocation of its own, which its messages of units are not of.
    own = ("USER_INVOCATION_ID",) if "USER_UNIT" in entry else _INVOCATIONS
    return str(next((entry[field] for field in own if field in entry), ""))


def after(found: Iterable[dict[str, Any]], last: str) -> list[dict[str, Any]]:
    """Return what was logged of the runs after one, by its invocation.

    What names no invocation, as words that were read when their process was gone, is taken for
    that of the run before it.
    """
    kept = []
    begun = False
    for entry in found:
        of = invocation(entry)
        begun |= bool(of) and of != last
        if begun and of != last:
            kept.append(entry)
    return kept


def last_reload(found: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what was logged of a unit's last reload; nothing if no reload is told of.

    The processes that serve meanwhile have their words in the log, too. So where the unit's
    processes said something with the priority of an error, the rest of their words is left out.
    """
    kept: list[dict[str, Any]] = []
    until = 0
    for entry in found:
        at, kind = int(entry["__REALTIME_TIMESTAMP"]), entry.get("MESSAGE_ID")
        if kind == _RELOADING:
            kept, until = [entry], 0
        elif kept and (not until or at <= until):
            kept.append(entry)
        if kind == _RELOADED and kept:
            until = until or at + _LATE_US
    errors = [entry for entry in kept if _by_manager(entry) or _priority(entry) <= _ERR]
    return kept if all(map(_by_manager, errors)) else errors


def outcomes(found: Iterable[Mapping[str, Any]]) -> list[bool]:
    """Return for each run of a unit that ended whether it was a success."""
    wanted = (entry.get("MESSAGE_ID") for entry in found)
    return [name == _SUCCESS for name in wanted if name in (_SUCCESS, _FAILURE)]


def telling(name: str, entries: Iterable[Mapping[str, Any]]) -> str:
    """Return the line of a log that tells best why a unit failed; empty if none does.

    That is the manager's first error about it, else its last notice with the last word of
    the unit's own program: of a worker, and not of its parent, which only reports its end.
    """
    errors, notices, words = [], [], []
    for entry in entries:
        message, priority = entry.get("MESSAGE"), _priority(entry)
        if not isinstance(message, str) or not message.strip():
            continue
        line = message.strip().split("\n")[-1].rstrip(".")
        if not _by_manager(entry):
            words.append(line)
        elif not line.startswith(f"{name}: ") or any(word in line for word in _IDLE):
            continue
        elif priority <= _ERR:
            errors.append(line)
        elif priority <= _NOTICE:
            notices.append(line)
    if errors:
        # What a helper process could not do is an I/O error to the manager itself.
        return min(errors, key=lambda line: line.endswith(": Input/output error"))
    last = f"last words: {last_word(words)}" if words else ""
    if notices:
        return f"{notices[-1]} ({last})" if last else notices[-1]
    return f"{name}: {last}" if last else ""


def _priority(entry: Mapping[str, Any]) -> int:
    return int(entry.get("PRIORITY", 6))
