"""What systemd says of a file before it looks at any value."""

import re
from collections.abc import Iterator

from activator.check.catalogue import sections_of, type_of
from activator.check.model import Problem, Unit, World
from activator.suggest import nearest

_SURROGATES = "[\ud800-\udfff]"
# Execute for anybody, write for others.
_EXECUTE, _WRITE = 0o111, 0o002


def unknown_section(unit: Unit, _: World) -> Iterator[Problem]:
    """Find sections that systemd skips with all that is in them.

    A unit has [Unit], [Install] and the section of its own type. Every other one is ignored,
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
    known = sections_of(unit.type)
    for file in unit.files:
        for chunk in file.chunks:
            name = chunk.section
            if name is None or name in known or name.startswith("X-"):
                continue
            kind = type_of(name)
            if kind:
                message = f"[{name}] belongs in a .{kind}, and systemd skips it in a .{unit.type}"
                hint = f"move it to a .{kind}, or write [{known[-1]}]"
            else:
                near = nearest(name, known)
                message = f"systemd skips the unknown section [{name}]"
                hint = f"did you mean [{near}]?" if near else "name it [X-...] if it is not for it"
            yield Problem(message, hint, place=(file.name, chunk.line))


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
    """Find unit files that are executable or that everybody may write; systemd says so.

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


def _skipped(unit: Unit, *, outside: bool) -> Iterator[Problem]:
    """Yield the lines that systemd skips, in front of all sections or elsewhere."""
    known = sections_of(unit.type)
    for file in unit.files:
        section = known[0]
        for chunk in file.chunks:
            section = chunk.section or section
            # What stands in a section that is skipped is not looked at.
            if chunk.problem is not None and section in known:
                before = "before any section" in chunk.problem.message
                if before == outside:
                    problem = chunk.problem
                    yield Problem(problem.message, problem.hint, place=(file.name, chunk.line))
