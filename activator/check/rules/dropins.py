"""Drop-ins that do something else than they seem to."""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from activator.check.units import Problem, Unit, World
from activator.unitfile.effective import TIMES
from activator.unitfile.kinds import KINDS

if TYPE_CHECKING:
    from activator.unitfile.parse import Entry

# Directives that people mean to replace in a drop-in, but whose lines add up.
_ADDING = (*KINDS, *TIMES, "ExecStart")


def dropin_adds(unit: Unit, _: World) -> Iterator[Problem]:
    """Find drop-ins that add an address, a time or a command where they seem to replace one.

    Lines of such a directive add up, also over several files: the socket listens at both
    addresses, the timer elapses at both times. An empty line in front clears those before it.

    Bad::

        # echo.socket
        [Socket]
        ListenStream=7777

        # echo.socket.d/port.conf
        [Socket]
        ListenStream=8888

    Good::

        # echo.socket
        [Socket]
        ListenStream=7777

        # echo.socket.d/port.conf
        [Socket]
        ListenStream=
        ListenStream=8888

        # echo.service
        [Service]
        ExecStart=/usr/bin/echo-server
    """
    if unit.is_dropin_only:
        return
    for entry in unit.entries:
        if entry.name in _ADDING and entry.value and entry.file != unit.path:
            lines = unit.settings.all(_group(entry.name))
            before = [line for line in lines if line.name == entry.name and line.file == unit.path]
            # The first line of a file tells of all of them.
            first = next((line for line in lines if line.file == entry.file), None)
            if entry is first and before:
                message = f"it adds to {entry.name}={before[-1].value}, and does not replace it"
                hint = f"write {entry.name}= without a value above it, unless both are meant"
                yield Problem(message, hint, entry)


def clears_more(unit: Unit, _: World) -> Iterator[Problem]:
    """Find empty lines that clear more than the lines of their own name.

    An empty Listen*= clears all addresses, whatever their kind, and so does an empty On*= all
    times of a timer, and an empty Path*= all paths.

    Bad::

        # dns.socket
        [Socket]
        ListenStream=53
        ListenDatagram=53

        # dns.socket.d/port.conf
        [Socket]
        ListenDatagram=
        ListenDatagram=5353

    Good::

        # dns.socket
        [Socket]
        ListenStream=53
        ListenDatagram=53

        # dns.socket.d/port.conf
        [Socket]
        ListenDatagram=
        ListenDatagram=5353
        ListenStream=53

        # dns.service
        [Service]
        ExecStart=/usr/bin/dns
    """
    for names in (tuple(KINDS), TIMES):
        kept: list[Entry] = []
        lines = [entry for entry in unit.entries if entry.name in names]
        after = {entry.name for entry in unit.settings.all(_group(names[0]))}
        for entry in lines:
            if entry.value:
                kept.append(entry)
                continue
            others = [line for line in kept if line.name not in (entry.name, *after)]
            if others:
                other = others[0]
                message = f"it clears {other.name}={other.value}, too"
                hint = f"write {other.name}={other.value} again below it, unless that is meant"
                yield Problem(message, hint, entry, on_name=True)
            kept.clear()


def dropin_unread(unit: Unit, world: World) -> Iterator[Problem]:
    """Find files in the directory of drop-ins whose names do not end in .conf.

    systemd reads no others, and says nothing.

    Bad::

        # echo.socket
        [Socket]
        ListenStream=7777

        # echo.socket.d/port
        [Socket]
        ListenStream=
        ListenStream=8888

    Good::

        # echo.socket
        [Socket]
        ListenStream=7777

        # echo.socket.d/port.conf
        [Socket]
        ListenStream=
        ListenStream=8888

        # echo.service
        [Service]
        ExecStart=/usr/bin/echo-server
    """
    for path in world.unread(unit):
        name = os.path.basename(path)
        message = f"systemd reads files named *.conf here, and not {name}"
        yield Problem(message, f"name it {name.partition('.')[0]}.conf", place=(path, 1))


def _group(name: str) -> str:
    """Return the name under which the lines of a directive are kept."""
    if name in KINDS:
        return "Listen"
    return TIMES[0] if name in TIMES else name
