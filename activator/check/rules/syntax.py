"""What systemd says of a file before it looks at any value."""

import re
from collections.abc import Iterator

from activator.check.units import INFO, File, Problem, Unit, World
from activator.unitfile.parse import OutsideError
from activator.unitfile.sections import skipped, unread

_SURROGATES = "[\ud800-\udfff]"
# Execute for anybody, write for others.
_EXECUTE, _WRITE = 0o111, 0o002


def unknown_section(unit: Unit, _: World) -> Iterator[Problem]:
    """Find sections that systemd skips with all that is in them.

    A unit has [Unit], [Install] and the section of its own type. Every other section is ignored,
    with one line in the log, and so are its directives. Sections that begin with X- are for
    other programs.

    Bad::

        # echo.socket
        [Sockets]
        ListenStream=/run/echo.sock

    Good::

        # echo.socket
        [Socket]
        ListenStream=/run/echo.sock

        # echo.service
        [Service]
        ExecStart=/usr/bin/echo-server
    """
    for file in unit.files:
        for chunk in file.chunks:
            remark = chunk.section is not None and skipped(chunk.section, unit.type)
            if remark:
                yield Problem(*remark, place=(file.name, chunk.line))


def outside_section(unit: Unit, _: World) -> Iterator[Problem]:
    """Find assignments before the first section; systemd ignores them.

    Bad::

        # echo.socket
        ListenStream=/run/echo.sock
        [Socket]
        ListenStream=/run/echo.sock

    Good::

        # echo.socket
        [Socket]
        ListenStream=/run/echo.sock

        # echo.service
        [Service]
        ExecStart=/usr/bin/echo-server
    """
    yield from _skipped(unit, outside=True)


def no_assignment(unit: Unit, _: World) -> Iterator[Problem]:
    r"""Find lines that are neither an assignment nor a header nor a comment.

    systemd ignores them. The usual reasons are a continuation line whose predecessor lacks
    its backslash, and a comment without # in front.

    Bad::

        # echo.service
        [Service]
        ExecStart=/usr/bin/echo-server
            --verbose

    Good::

        # echo.service
        [Service]
        ExecStart=/usr/bin/echo-server \
            --verbose
    """
    yield from _skipped(unit, outside=False)


def not_unicode(unit: Unit, _: World) -> Iterator[Problem]:
    r"""Find assignments that are not UTF-8; systemd ignores them.

    Bad::

        # echo.service
        [Unit]
        Description=caf\xe9

        [Service]
        ExecStart=/usr/bin/echo-server

    Good::

        # echo.service
        [Unit]
        Description=café

        [Service]
        ExecStart=/usr/bin/echo-server
    """
    for file in unit.files:
        if not file.clean:
            for entry in file.entries:
                if re.search(_SURROGATES, entry.name + entry.value):
                    yield Problem("the line is not UTF-8", "save the file as UTF-8", entry)


def file_mode(unit: Unit, _: World) -> Iterator[Problem]:
    """Find unit files that are executable or that everybody may write; systemd logs a warning.

    Bad::

        # echo.service (mode 0755)
        [Service]
        ExecStart=/usr/bin/echo-server

    Good::

        # echo.service (mode 0644)
        [Service]
        ExecStart=/usr/bin/echo-server
    """
    for file in unit.files:
        mode = file.mode
        for bits, what in ((_EXECUTE, "executable"), (_WRITE, "writable by everybody")):
            if mode & bits:
                place = (file.name, 1)
                yield Problem(f"the file is {what}", "write chmod 0644", place=place)


def unreadable(unit: Unit, _: World) -> Iterator[Problem]:
    """Find unit files that cannot be read: a link to nothing, or no permission.

    A file that only root may read is fine for systemd, but other users cannot check it.

    Bad::

        # echo.service (mode 0000)
        [Service]
        ExecStart=/usr/bin/echo-server

    Good::

        # echo.service (mode 0644)
        [Service]
        ExecStart=/usr/bin/echo-server
    """
    for file in unit.files:
        if file.unreadable:
            message = f"the file cannot be read: {file.unreadable}"
            yield Problem(message, "mend the link or the permissions", place=(file.name, 1))


def no_unit(file: File, _: World) -> Iterator[Problem]:
    """Find files that have a unit's name and are something else.

    D-Bus, Avahi and firewalld have service files of their own; such a file is only named. Text
    in UTF-16, a script or an HTML page is not a unit to systemd, whatever it says. No other
    rule looks at such a file.

    Bad::

        # echo.service
        #!/bin/sh
        exec echo-server

    Good::

        # echo.service
        [Service]
        ExecStart=/usr/bin/echo-server
    """
    if file.foreign is not None:
        message = f"the file is {file.foreign.what}"
        severity = INFO if file.foreign.harmless else ""
        yield Problem(message, file.foreign.hint, place=(file.name, 1), severity=severity)


def _skipped(unit: Unit, *, outside: bool) -> Iterator[Problem]:
    """Yield the lines that systemd skips, in front of all sections or elsewhere."""
    for file in unit.files:
        for line, problem in unread(file, unit.type):
            if isinstance(problem, OutsideError) == outside:
                yield Problem(problem.message, problem.hint, place=(file.name, line))
