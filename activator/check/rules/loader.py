"""What systemd itself says of a unit's lines when it loads it."""

import re
from collections.abc import Iterator

from activator.check.catalogue import lookup, suggest
from activator.check.mending import mended, newer_word
from activator.check.units import INFO, Fix, Problem, Unit, World
from activator.unitfile import directives, refusals
from activator.unitfile.effective import Remark
from activator.unitfile.values import judge
from activator.unitfile.values.verdict import (
    IGNORED,
    LEGACY_PATH,
    NOTICE,
    REFUSED,
    REMOVED,
    UNKNOWN,
)

# From then on systemd says that /var/run is past its time.
_VAR_RUN_SINCE = 257
# Of names that nobody knows, so many get a hint in a unit.
_HINTS_MAX = 200
_VAR_RUN = r"(?<![\w.-])/var/run/"


def unknown_directive(unit: Unit, _: World) -> Iterator[Problem]:
    """Find directives that no version of systemd knows.

    systemd logs the line and goes on without it, so that a misspelt setting has its default.
    Upper and lower case matter. Names that begin with X- are for other programs.

    Bad::

        # echo.socket
        [Socket]
        ListenStream=/run/echo.sock
        Socketmode=0600

    Good::

        # echo.socket
        [Socket]
        ListenStream=/run/echo.sock
        SocketMode=0600

        # echo.service
        [Service]
        ExecStart=/usr/bin/echo-server
    """
    for number, entry in enumerate(unit.settings.unknown):
        # The search takes milliseconds, and a file that is no unit may have very many names.
        hint = suggest(entry.section, entry.name) if number < _HINTS_MAX else ""
        message = f"[{entry.section}] has no {entry.name}="
        near = hint.removeprefix("did you mean ").removesuffix("=?")
        same = near.lower() == entry.name.lower()
        # A line that counts from now on must not get into the way of another one.
        fix = Fix(name=near) if same and unit.settings.get(near) is None else None
        yield Problem(message, hint, entry, on_name=True, fix=fix)


def newer_directive(unit: Unit, _: World) -> Iterator[Problem]:
    """Find directives that are newer than the systemd that is checked for.

    An older systemd logs the line and goes on without it. --systemd names the version; without
    it, the version of this machine or of the root directory counts.

    Bad::

        # echo.socket
        [Socket]
        ListenStream=/run/echo.sock
        XAttrEntryPoint=user.kind=echo

    Good::

        # echo.socket
        [Socket]
        ListenStream=/run/echo.sock

        # echo.service
        [Service]
        ExecStart=/usr/bin/echo-server
    """
    for remark in _remarks(unit, UNKNOWN):
        yield _told(remark, unit.version, on_name=True)


def bad_value(unit: Unit, _: World) -> Iterator[Problem]:
    """Find values that systemd does not take.

    systemd logs the line and goes on as if it were not there: the default stays, or the value
    of an earlier line. A comment at the end of a line is part of the value.

    Bad::

        # echo.socket
        [Socket]
        ListenStream=/run/echo.sock
        SocketMode=0600 # for us alone

    Good::

        # echo.socket
        [Socket]
        ListenStream=/run/echo.sock
        # for us alone
        SocketMode=0600

        # echo.service
        [Service]
        ExecStart=/usr/bin/echo-server
    """
    for remark in _remarks(unit, IGNORED):
        yield _told(remark, unit.version, fix=mended(remark))


def refused(unit: Unit, _: World) -> Iterator[Problem]:
    """Find what makes systemd refuse the whole unit.

    Such a unit has the load state bad-setting and cannot be started. The reason is a value that
    is too wrong to be ignored, settings that exclude each other, or a setting that is missing.

    Bad::

        # echo.socket
        [Socket]
        ListenDatagram=7777
        Accept=yes

    Good::

        # echo.socket
        [Socket]
        ListenStream=7777
        Accept=yes

        # echo@.service
        [Unit]
        CollectMode=inactive-or-failed

        [Service]
        ExecStart=/usr/bin/cat
        StandardInput=socket
    """
    for refusal in _refusals(unit):
        if refusal.outcome == REFUSED:
            yield Problem(refusal.message, refusal.hint, refusal.entry)


def complaint(unit: Unit, _: World) -> Iterator[Problem]:
    """Find lines that systemd accepts, but with a complaint in the log.

    These are obsolete names and values, and settings that look like a mistake.

    Bad::

        # echo.service
        [Service]
        ExecStart=/usr/bin/echo-server
        StandardOutput=syslog

    Good::

        # echo.service
        [Service]
        ExecStart=/usr/bin/echo-server
        StandardOutput=journal
    """
    for remark in _remarks(unit, NOTICE):
        if remark.verdict.code == LEGACY_PATH:
            continue
        old = remark.directive.status == "deprecated"
        yield _told(remark, on_name=old, fix=newer_word(remark))
    for refusal in _refusals(unit):
        if refusal.outcome == NOTICE:
            yield Problem(refusal.message, refusal.hint, refusal.entry)


def removed_directive(unit: Unit, _: World) -> Iterator[Problem]:
    """Find directives that systemd still knows by name, but that do nothing any more.

    Bad::

        # echo.service
        [Service]
        ExecStart=/usr/bin/echo-server
        NetClass=7

    Good::

        # echo.service
        [Service]
        ExecStart=/usr/bin/echo-server
    """
    for remark in _remarks(unit, REMOVED):
        # Older versions may still heed it, so that only what all of them ignore goes unasked.
        gone = remark.directive.until <= directives.OLDEST
        yield _told(remark, on_name=True, fix=Fix(remove=True) if gone else None)


def var_run(unit: Unit, _: World) -> Iterator[Problem]:
    """Find paths below /var/run, which has long been /run; systemd 257 says so in the log.

    Bad::

        # echo.socket
        [Socket]
        ListenStream=/var/run/echo.sock

    Good::

        # echo.socket
        [Socket]
        ListenStream=/run/echo.sock

        # echo.service
        [Service]
        ExecStart=/usr/bin/echo-server
    """
    for entry in unit.entries:
        if "/var/run/" not in entry.value:
            continue
        directive = lookup(entry.section, entry.name)
        # Older versions rewrite the path, too, but say nothing.
        version = max(unit.version, _VAR_RUN_SINCE)
        if directive is None:
            continue
        if judge(directive, entry.value, version).code == LEGACY_PATH:
            value = re.sub(_VAR_RUN, "/run/", entry.value)
            message = f"{entry.name}= lies below /var/run, which is /run"
            severity = "" if unit.version >= _VAR_RUN_SINCE else INFO
            fix = Fix(value=value)
            yield Problem(message, f"write {value}", entry, "/var/run/", severity=severity, fix=fix)


def _remarks(unit: Unit, outcome: str) -> Iterator[Remark]:
    """Yield the lines of which systemd makes something."""
    for remark in unit.settings.remarks:
        if remark.verdict.outcome == outcome:
            yield remark


def _told(
    remark: Remark,
    version: int = directives.NEWEST,
    *,
    on_name: bool = False,
    fix: Fix | None = None,
) -> Problem:
    """Return a line's verdict as a problem; what is newer than a version is told so."""
    verdict, directive = remark.verdict, remark.directive
    later = range(version + 1, directives.NEWEST + 1)
    taking = (each for each in later if judge(directive, remark.entry.value, each).accepted)
    hint = verdict.hint
    if found := next(taking, directive.first if verdict.outcome == UNKNOWN else 0):
        hint = f"{hint}; for a machine that has it, check with --systemd {found}"
    return Problem(verdict.message, hint, remark.entry, on_name=on_name, fix=fix)


def _refusals(unit: Unit) -> Iterator[refusals.Refusal]:
    """Yield why systemd refuses a unit or complains about it."""
    if unit.is_dropin_only or unit.files[0].unreadable or unit.files[0].broken:
        return
    if unit.type == "socket":
        yield from refusals.socket(unit.settings, unit.version)
    elif unit.type == "service":
        yield from refusals.service(unit.settings, unit.version)
    elif unit.type == "timer":
        yield from refusals.timer(unit.settings)
    elif unit.type == "path":
        yield from refusals.path(unit.settings)
    else:
        for remark in _remarks(unit, REFUSED):
            verdict = remark.verdict
            yield refusals.Refusal(remark.entry, verdict.message, verdict.hint)
