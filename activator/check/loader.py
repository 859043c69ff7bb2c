"""What systemd itself says of a unit's lines when it loads it."""

import re
from collections.abc import Iterator

from activator import directives, refusals
from activator.check.catalogue import lookup, suggest
from activator.check.mending import mended, newer_word
from activator.check.model import INFO, Fix, Problem, Unit, World
from activator.settings import Remark
from activator.values import judge
from activator.values.verdict import IGNORED, NOTICE, REFUSED, REMOVED, UNKNOWN, Verdict

# From then on systemd says that /var/run is past its time.
_VAR_RUN_SINCE = 257
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
    for entry in unit.settings.unknown:
        hint = suggest(entry.section, entry.name)
        message = f"[{entry.section}] has no {entry.name}="
        near = hint.removeprefix("did you mean ").removesuffix("=?")
        same = near.lower() == entry.name.lower()
        # A line that counts from now on must not get into the way of another one.
        fix = Fix(name=near) if same and unit.settings.get(near) is None else None
        yield Problem(message, hint, entry, on_name=True, fix=fix)


def newer_directive(unit: Unit, _: World) -> Iterator[Problem]:
    """Find directives that only a later systemd knows than the one that is checked for.

    An older one logs the line and goes on without it. Which version counts is said with
    --systemd; without it that of this machine or of the root directory.

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
        yield _told(remark, on_name=True)


def bad_value(unit: Unit, _: World) -> Iterator[Problem]:
    """Find values that systemd does not take.

    It logs the line and goes on as if it were not there: the default stays, or what an earlier
    line said. There are no comments at the end of a line: they are part of the value.

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
        yield _told(remark, fix=mended(remark))


def refused(unit: Unit, _: World) -> Iterator[Problem]:
    """Find what makes systemd refuse the whole unit.

    Such a unit has the load state bad-setting and cannot be started: one value that is too
    grave to be ignored, settings that exclude each other, or one that is missing.

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
    """Find what systemd takes, but with a complaint in the log.

    Names and values that are past their time, and settings that look like a mistake.

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
        if _legacy(remark.verdict):
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
    """Find paths below /var/run, which is /run since long; systemd 257 says so in the log.

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
        if directive is not None and _legacy(judge(directive, entry.value, version)):
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


def _told(remark: Remark, *, on_name: bool = False, fix: Fix | None = None) -> Problem:
    """Return a line's verdict as a problem."""
    verdict = remark.verdict
    return Problem(verdict.message, verdict.hint, remark.entry, on_name=on_name, fix=fix)


def _refusals(unit: Unit) -> Iterator[refusals.Refusal]:
    """Yield why systemd refuses a unit or complains about it."""
    if unit.is_dropin_only or unit.files[0].unreadable:
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


def _legacy(verdict: Verdict) -> bool:
    """Return whether a verdict is about /var/run."""
    return verdict.outcome == NOTICE and "/var/run is" in verdict.message
