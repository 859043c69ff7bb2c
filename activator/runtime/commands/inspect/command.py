"""``activator inspect``: its command line, and its tables."""

import os
import signal
import sys

from activator.errors import ActivatorError, UsageError, told
from activator.runtime.options import Option, parse
from activator.runtime.variables import is_socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

OPTIONS = (
    Option("format", "FORMAT", "table", text="How to print it.", choices=("table", "json")),
    Option("once", "", False, text="End at once, whatever waits."),
)
NONE = "-"
OUT_OF_THE_WAY = 40  # beyond what is passed, and below any limit
STAY = (
    "inspect: staying until SIGTERM, since what waits would start this again at once; "
    "--once ends now"
)
STOP = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def main(words: "Sequence[str]") -> int:
    """Print what was passed.

    Args:
        words: The words after ``activator inspect``.

    Returns:
        The exit status: 0, 1 if nothing was passed or something is wrong, 2 for wrong usage.
    """
    try:
        values, others = parse(words, OPTIONS)
        if others:
            raise UsageError(f"inspect takes no {others[0]!r}", "there are only options")
        return _inspect(values["format"], once=values["once"])
    except ActivatorError as error:
        return told(error)


def _inspect(style: str, *, once: bool) -> int:
    # Only now, so that wrong usage is told even where systemd-python is not installed.
    from activator import notify  # noqa: PLC0415
    from activator.runtime.commands.inspect.facts import Surroundings  # noqa: PLC0415

    # A signal that comes while it prints is heeded as well.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP)
    output = _output()
    found = Surroundings(mine=output)
    facts = found.facts()
    if style == "json":
        import json  # noqa: PLC0415 - not for a table

        text = json.dumps(facts, indent=2) + "\n"
    else:
        text = "\n".join(tables(facts))
    try:
        with os.fdopen(output, "w", encoding="utf-8", errors="replace", closefd=False) as stream:
            stream.write(text)
    except OSError as error:
        raise ActivatorError(f"cannot write to standard output: {error.strerror}") from None
    if found.problem:
        raise found.problem
    shared = [item for item in found.listeners if item.kind != "connection"]
    if shared and not once:
        # Whoever reads it is to see its end.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.close(nowhere)
        if style != "json":  # which may go to the same file
            sys.stderr.write(f"{STAY}\n")
        notify.ready("inspecting: clients wait for the next start")
        signal.sigwait(STOP)
        notify.stopping()
    else:
        notify.ready()
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return 0


def _output() -> int:
    """Return the descriptor to print to: standard output as it is now.

    With StandardInput=socket it is the client's, and goes to the journal once that was taken.
    """
    if not is_socket(0):
        return 1
    import fcntl  # noqa: PLC0415 - rarely needed

    return fcntl.fcntl(1, fcntl.F_DUPFD_CLOEXEC, OUT_OF_THE_WAY)


def tables(facts: "dict[str, Any]") -> "Iterable[str]":
    """Yield lines: a table of the descriptors, one of their options, one of the variables."""
    descriptors = facts["descriptors"]
    blocks = [_descriptors(descriptors), _options(descriptors), _variables(facts)]
    for index, rows in enumerate(block for block in blocks if len(block) > 1):
        if index:
            yield ""
        yield from _aligned(rows)
    yield ""


def _descriptors(found: "list[dict[str, Any]]") -> list[list[str]]:
    head = ["FD", "NAME", "KIND", "FAMILY", "TYPE", "ADDRESS", "PEER", "WAITING", "FLAGS"]
    return [
        head,
        *(
            [
                str(item["fd"]),
                item["name"] if item["passed"] else "(not passed)",
                item["kind"],
                item["family"] or NONE,
                item["type"] or NONE,
                item["address"] or NONE,
                _peer(item),
                _queue(item["queue"]),
                " ".join([*item["flags"], "blocking" if item["blocking"] else "non-blocking"]),
            ]
            for item in found
        ),
    ]


def _peer(item: "dict[str, Any]") -> str:
    who = item["credentials"]
    said = [item["peer"]] if item["peer"] else []
    said += [f"pid {who['pid']} uid {who['uid']} gid {who['gid']}"] if who else []
    return " ".join(said) or NONE


def _queue(queue: "dict[str, Any] | None") -> str:
    if not queue:
        return NONE
    most = f" of {queue['limit']}" if queue["limit"] else ""
    return f"{queue['waiting']}{most} {queue['of']}"


def _options(found: "list[dict[str, Any]]") -> list[list[str]]:
    """Return a row for each option that any of them has, a column for each of them."""
    having = [item for item in found if item["options"]]
    columns = [
        {(entry["option"], entry["directive"]): entry["value"] for entry in item["options"]}
        for item in having
    ]
    names = list(dict.fromkeys(name for column in columns for name in column))
    return [
        ["OPTION", "DIRECTIVE", *(f"FD {item['fd']}" for item in having)],
        *(
            [name, f"{directive}=", *(_value(column.get((name, directive))) for column in columns)]
            for name, directive in names
        ),
    ]


def _value(value: "bool | int | str | None") -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return NONE if value in (None, "") else str(value)


def _variables(facts: "dict[str, Any]") -> list[list[str]]:
    rows = [[name, value] for name, value in facts["variables"].items()]
    pid = str(facts["process"]["pid"])
    for row in rows:
        if row[0] == "LISTEN_PID":
            row[1] += " (this process)" if row[1] == pid else f" (this process is {pid})"
    return [["VARIABLE", "VALUE"], *rows]


def _aligned(rows: list[list[str]]) -> "Iterable[str]":
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (f"{cell:{width}}" for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()
