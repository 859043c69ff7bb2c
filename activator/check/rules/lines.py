"""Lines that systemd takes without a word, but that do something else than they seem to."""

import re
from collections.abc import Iterator

from activator.check.catalogue import lookup
from activator.check.programs import commands, unquoted
from activator.check.units import INFO, Fix, Problem, Unit, World
from activator.unitfile.parse import Chunk, Entry
from activator.unitfile.sections import OWN_SECTION
from activator.unitfile.values.verdict import BROKEN, SILENT

_ASSIGNMENT = r"[ \t]*([A-Z][A-Za-z0-9]+)[ \t]*="
# Types whose values are a text that may have any character.
_FREE = ("set-credential", "escaped-text", "base64")
_SECTIONS = tuple(f"[{name}]" for name in ("Unit", "Install", *OWN_SECTION.values()))


def dropped_word(unit: Unit, _: World) -> Iterator[Problem]:
    """Find words that systemd drops from a list without a message in the log.

    Bad::

        # echo.service
        [Service]
        ExecStart=/usr/bin/echo-server
        CapabilityBoundingSet=CAP_NET_ADMN

    Good::

        # echo.service
        [Service]
        ExecStart=/usr/bin/echo-server
        CapabilityBoundingSet=CAP_NET_ADMIN
    """
    for entry, _directive, verdict in unit.settings.remarks:
        if verdict.outcome == SILENT:
            yield Problem(verdict.message, verdict.hint, entry)


def cannot_work(unit: Unit, _: World) -> Iterator[Problem]:
    """Find values that systemd takes, but that fail when the unit starts or is enabled.

    Bad::

        # echo.socket
        [Socket]
        ListenMessageQueue=/echo/queue

    Good::

        # echo.socket
        [Socket]
        ListenMessageQueue=/echo-queue

        # echo.service
        [Service]
        ExecStart=/usr/bin/echo-server
    """
    for entry, _directive, verdict in unit.settings.remarks:
        if verdict.outcome == BROKEN:
            yield Problem(verdict.message, verdict.hint, entry)


def set_twice(unit: Unit, _: World) -> Iterator[Problem]:
    """Find directives that stand twice in one file where only the last line counts.

    Drop-ins are there to set again what the unit sets, so only lines of one file are compared.

    Bad::

        # echo.service
        [Service]
        ExecStart=/usr/bin/echo-server
        Restart=on-failure
        Restart=no

    Good::

        # echo.service
        [Service]
        ExecStart=/usr/bin/echo-server
        Restart=no
    """
    for earlier, later in unit.settings.replaced:
        if earlier.file == later.file and earlier.section == later.section and earlier.value:
            message = f"{later.name}= is set again in line {later.line}, and only that line counts"
            yield Problem(message, "remove one of the lines", earlier, on_name=True)


def swallowed_line(unit: Unit, _: World) -> Iterator[Problem]:
    r"""Find assignments that belong to the line above, because that line ends in a backslash.

    Bad::

        # echo.service
        [Service]
        ExecStart=/usr/bin/echo-server --verbose \
        Restart=on-failure

    Good::

        # echo.service
        [Service]
        ExecStart=/usr/bin/echo-server --verbose
        Restart=on-failure
    """
    for chunk, entry in _continued(unit):
        for number, line in enumerate(chunk.raw.splitlines()[1:], chunk.line + 1):
            match = re.match(_ASSIGNMENT, line)
            header = line.strip() in _SECTIONS
            if header or (match and lookup(entry.section, match[1]) is not None):
                what = line.strip() if header else f"{match[1]}=" if match else ""
                message = f"{what} is a part of {entry.name}=, whose line ends in a backslash"
                place = (entry.file, number)
                yield Problem(message, "remove the backslash above it", place=place)


def blank_after_backslash(unit: Unit, _: World) -> Iterator[Problem]:
    r"""Find a backslash that should continue the line, but has white space behind it.

    The line ends there, with the backslash as a part of the value.

    Bad::

        # echo.service
        [Service]
        ExecStart=/usr/bin/echo-server --name \\ 
            --verbose

    Good::

        # echo.service
        [Service]
        ExecStart=/usr/bin/echo-server --name \
            --verbose
    """  # noqa: W291 - that blank is the point
    for file in unit.files:
        for chunk in file.chunks:
            line = chunk.raw.rstrip("\r\n")
            if chunk.entry is None or line == (bare := line.rstrip(" \t")):
                continue
            if (len(bare) - len(bare.rstrip("\\"))) % 2:
                message = "white space follows the backslash, so the line ends here"
                yield Problem(message, "remove the white space", chunk.entry, focus="\\")


def open_end(unit: Unit, _: World) -> Iterator[Problem]:
    r"""Find a file whose last line ends in a backslash, as if something were missing.

    Bad::

        # echo.service
        [Service]
        ExecStart=/usr/bin/echo-server \

    Good::

        # echo.service
        [Service]
        ExecStart=/usr/bin/echo-server
    """
    for file in unit.files:
        if not file.chunks:
            continue
        last = file.chunks[-1]
        line = last.raw.rstrip("\r\n")
        if last.entry is not None and (len(line) - len(line.rstrip("\\"))) % 2:
            place = (file.name, last.line + last.raw.rstrip("\r\n").count("\n"))
            message = "the file ends in a backslash, which continues nothing"
            yield Problem(message, "remove it, or add the rest", place=place)


def comment_as_argument(unit: Unit, _: World) -> Iterator[Problem]:
    """Find comments at the end of a line: systemd takes them as a part of the value.

    A program gets the words as arguments, RuntimeDirectory= makes a directory of each word, and
    User= takes them for a part of the name.

    Bad::

        # echo.service
        [Service]
        ExecStart=/usr/bin/echo-server --verbose # tell everything

    Good::

        # echo.service
        [Service]
        # tell everything
        ExecStart=/usr/bin/echo-server --verbose
    """
    rejected = {id(entry) for entry, _, verdict in unit.settings.remarks if not verdict.accepted}
    for entry in unit.entries:
        value = entry.value
        if id(entry) in rejected:
            continue
        directive = lookup(entry.section, entry.name)
        if directive is None or directive.type in _FREE or (start := _comment(value)) < 0:
            continue
        if directive.type == "command":
            if not any("#" in command.argv[1:] for command in commands(value)):
                continue
            message = "the program gets the comment as arguments"
        else:
            message = f"the comment is a part of {entry.name}= to systemd"
        bare, comment = value[:start].rstrip(), value[start:]
        safe = bool(bare) and not set("\"'") & set(comment)
        fix = Fix(value=bare, above=comment) if safe else None
        # A title may have a # in it.
        severity = INFO if entry.name == "Description" else ""
        hint = "a comment stands on a line of its own"
        focus = comment[:2]
        yield Problem(message, hint, entry, focus=focus, severity=severity, fix=fix)


def _comment(value: str) -> int:
    """Return where a comment seems to begin in a value, outside of quotes; -1 if none does."""
    match = re.search(r"(?<=\s)(?:#|;(?=\s+[A-Za-z]))(?=\s|$|[A-Za-z])", unquoted(value))
    return match.start() if match else -1


def old_name(unit: Unit, _: World) -> Iterator[Problem]:
    """Find names that systemd has replaced, but still takes silently.

    Bad::

        # echo.service
        [Unit]
        BindTo=echo.socket

        [Service]
        ExecStart=/usr/bin/echo-server

    Good::

        # echo.service
        [Unit]
        BindsTo=echo.socket

        [Service]
        ExecStart=/usr/bin/echo-server
    """
    for entry, directive in unit.settings.old:
        use = directive.use
        plain = re.fullmatch(r"([A-Za-z]+)=", use)
        successor = lookup(directive.section, plain[1]) if plain else None
        same = successor is not None and successor.type == directive.type
        fix = Fix(name=successor.name) if successor is not None and same else None
        hint = f"write {use}" if use else "remove the line"
        message = f"{entry.name}= is obsolete"
        yield Problem(message, hint, entry, on_name=True, fix=fix)


def _continued(unit: Unit) -> Iterator[tuple[Chunk, Entry]]:
    """Yield the assignments that take more than one line."""
    for file in unit.files:
        for chunk in file.chunks:
            if chunk.entry is not None and "\n" in chunk.raw.rstrip("\r\n"):
                yield chunk, chunk.entry
