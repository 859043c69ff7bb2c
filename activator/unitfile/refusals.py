"""What makes systemd refuse a whole unit when it loads it.

One line that is wrong is dropped, or refused by itself (see :mod:`activator.unitfile.values`); here
is what several lines do together. A unit that is refused has the load state
``bad-setting``, and ``systemctl start`` fails.

Source: systemd's own checks of sockets and services after loading, compared with
``systemd-analyze verify`` of each version.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from activator.common.integers import to_integer
from activator.errors import ActivatorError
from activator.unitfile import specifiers
from activator.unitfile.effective import PATHS, TIMES, Settings
from activator.unitfile.parse import Entry
from activator.unitfile.unquoting import split_command
from activator.unitfile.values.numbers import BOOLEANS
from activator.unitfile.values.times import to_microseconds
from activator.unitfile.values.verdict import NOTICE, REFUSED

# From then on a socket unit may mix kill modes under PAM, a limit of 0 is never right, a
# dynamic user has no home, and credentials imply Type=exec.
_STRICT_SINCE = 257
_DEFER_SINCE = 258
_NO_PAM_SINCE = 262
# What RefreshOnReload= may name.
_REFRESHED = ("extensions", "credentials")


class Refusal(NamedTuple):
    """Say why systemd refuses a unit, or what it complains about.

    Attributes:
        entry: The line at fault; None if a line is missing.
        message: What is wrong.
        hint: What to do about it.
        outcome: ``refused``, or ``notice`` if systemd only complains.
    """

    entry: Entry | None
    message: str
    hint: str
    outcome: str = REFUSED

    def error(self) -> ActivatorError:
        """Return it as an error to raise, with the line as its place."""
        place = self.entry.place if self.entry is not None and self.entry.file else ""
        return ActivatorError(self.message, self.hint, place=place)


def socket(entries: Iterable[Entry] | Settings, version: int) -> Iterator[Refusal]:
    """Yield why systemd refuses a socket unit.

    Args:
        entries: The lines of the unit, of all sections, or what they set.
        version: The version of systemd.
    """
    unit = entries if isinstance(entries, Settings) else Settings(entries, version)
    yield from _alone(unit)
    listens = unit.all("Listen")
    if not listens:
        hint = "add ListenStream=, or another one; an empty one clears those before it"
        yield Refusal(unit.last_listen, "the unit listens on nothing", hint)
    accept = unit.on("Accept")
    limit = unit.get("MaxConnections")
    if limit is not None and to_integer(limit.value) == 0 and (accept or version >= _STRICT_SINCE):
        yield Refusal(limit, "MaxConnections=0 is refused", "write 1 or more, or remove the line")
    if accept:
        yield from _accepting(unit)
    nodes = [entry for entry in listens if _has_node(entry)]
    links = unit.get("Symlinks")
    if links is not None and listens and len(nodes) != 1:
        yield Refusal(
            links,
            f"Symlinks= needs exactly one path to link to, and there are {len(nodes)}",
            "listen on one path or FIFO, or remove the line",
        )
    modes = ("control-group", "mixed") if version >= _STRICT_SINCE else ("control-group",)
    yield from _execution(unit, modes)
    processes = unit.get("PrivatePIDs")
    if processes is not None and unit.on("PrivatePIDs"):
        yield Refusal(processes, "PrivatePIDs= is for services", "set it in the service")


def service(entries: Iterable[Entry] | Settings, version: int) -> Iterator[Refusal]:
    """Yield why systemd refuses a service unit.

    Args:
        entries: The lines of the unit, of all sections, or what they set.
        version: The version of systemd.
    """
    unit = entries if isinstance(entries, Settings) else Settings(entries, version)
    yield from _alone(unit)
    starts = unit.all("ExecStart")
    kind = unit.value("Type") or implied_type(unit)
    action = unit.value("SuccessAction", "none") != "none"
    if not starts:
        yield from _without_start(unit, kind, action=action)
    elif kind != "oneshot":
        second = starts[1] if len(starts) > 1 else starts[0]
        if len(starts) > 1 or len(split_command(second.value)) > 1:
            hint = "keep one, or write Type=oneshot"
            yield Refusal(second, "there is more than one ExecStart=", hint)
    if kind == "oneshot":
        yield from _oneshot(unit)
    if kind == "dbus" and not unit.value("BusName"):
        yield Refusal(unit.get("Type"), "Type=dbus needs a name", "add BusName=")
    if kind == "forking" and unit.on("PrivatePIDs"):
        hint = "write Type=notify, or remove PrivatePIDs="
        yield Refusal(unit.get("PrivatePIDs"), "PrivatePIDs=yes excludes Type=forking", hint)
    session = unit.get("PAMName")
    if session is not None and unit.on("PrivatePIDs") and version >= _NO_PAM_SINCE:
        hint = "remove one of them"
        yield Refusal(session, "PrivatePIDs=yes excludes PAMName=", hint)
    yield from _execution(unit, ("control-group", "mixed"))
    yield from _complaints(unit, kind)
    yield from _refreshing(unit)


def timer(unit: Settings) -> Iterator[Refusal]:
    """Yield why systemd refuses a timer: it needs a time."""
    yield from _alone(unit)
    others = unit.on("OnClockChange") or unit.on("OnTimezoneChange")
    if not unit.all(TIMES[0]) and not others:
        yield Refusal(None, "the timer has no time", "add OnCalendar=, or another one")


def path(unit: Settings) -> Iterator[Refusal]:
    """Yield why systemd refuses a path unit: it needs a path."""
    yield from _alone(unit)
    if not unit.all(PATHS[0]):
        yield Refusal(None, "the unit watches no path", "add PathExists=, or another one")


def _alone(unit: Settings) -> Iterator[Refusal]:
    """Yield the lines that make a unit be refused by themselves."""
    for entry, _, verdict in unit.remarks:
        if verdict.outcome == REFUSED:
            yield Refusal(entry, verdict.message, verdict.hint)


def _accepting(unit: Settings) -> Iterator[Refusal]:
    """Yield what does not go with Accept=yes."""
    for entry in unit.all("Listen"):
        if entry.name not in ("ListenStream", "ListenSequentialPacket"):
            hint = "move it to a socket unit of its own, or write Accept=no"
            yield Refusal(entry, f"{entry.name}= cannot accept, as Accept=yes asks", hint)
    if target := unit.get("Service"):
        hint = "remove it: Accept=yes starts NAME@.service"
        yield Refusal(target, "Service= excludes Accept=yes", hint)
    defer = unit.get("DeferTrigger")
    off = BOOLEANS.get(unit.value("DeferTrigger").lower()) is False
    if defer is not None and unit.version >= _DEFER_SINCE and not off:
        yield Refusal(defer, "DeferTrigger= excludes Accept=yes", "write Accept=no")


def _has_node(entry: Entry) -> bool:
    """Return whether a line makes a file that a symlink can point to."""
    if entry.name == "ListenFIFO":
        return True
    sockets = ("ListenStream", "ListenDatagram", "ListenSequentialPacket")
    return entry.name in sockets and specifiers.sample(entry.value).startswith("/")


def _execution(unit: Settings, modes: tuple[str, ...]) -> Iterator[Refusal]:
    """Yield what does not go together in any unit that runs commands."""
    mode = unit.get("KillMode")
    if unit.value("PAMName") and mode is not None and mode.value not in modes:
        hint = f"write {' or '.join(modes)}"
        yield Refusal(mode, f"PAMName= excludes KillMode={mode.value}", hint)
    home = unit.get("WorkingDirectory")
    at_home = home is not None and home.value.removeprefix("-") == "~"
    if at_home and unit.on("DynamicUser") and unit.version >= _STRICT_SINCE:
        yield Refusal(home, "DynamicUser=yes has no home directory", "write StateDirectory=")


def implied_type(unit: Settings) -> str:
    """Return the type of a service that names none."""
    if unit.value("BusName"):
        return "dbus"
    if unit.version >= _STRICT_SINCE and _has_credentials(unit):
        return "exec"
    return "simple" if unit.all("ExecStart") else "oneshot"


def _has_credentials(unit: Settings) -> bool:
    """Return whether a service is given credentials."""
    names = ("SetCredential", "LoadCredential", "ImportCredential")
    return any(unit.all(name) or unit.all(f"{name}Encrypted") for name in names)


def _refreshing(unit: Settings) -> Iterator[Refusal]:
    """Yield what a reload is asked to refresh, and is not there: systemd says so."""
    lines = [entry for entry in unit.all("RefreshOnReload") if entry.value]
    if not lines:
        return
    asked: set[str] = set()
    for entry in lines:
        inverted = entry.value.startswith("~")
        words = set(entry.value.removeprefix("~").split())
        asked = (asked or set(_REFRESHED)) - words if inverted else asked | words
    if asked == {"credentials"} and lines[-1].value[0] != "~" and not _has_credentials(unit):
        hint = "add LoadCredential= or another one, or remove the line"
        yield Refusal(lines[-1], "a reload refreshes credentials, and there are none", hint, NOTICE)
    images = [*unit.all("ExtensionImages"), *unit.all("ExtensionDirectories")]
    picked = any(entry.value.rstrip("/").endswith(".v") for entry in images)
    if asked == {"extensions"} and not picked:
        hint = "name a directory whose name ends in .v, or remove the line"
        what = "a reload refreshes extensions, and none is picked by its version"
        yield Refusal(lines[-1], what, hint, NOTICE)


def _without_start(unit: Settings, kind: str, *, action: bool) -> Iterator[Refusal]:
    """Yield why a service without ExecStart= is refused, once."""
    hint = "add ExecStart="
    stops = unit.all("ExecStop")
    if kind != "oneshot":
        yield Refusal(unit.get("Type"), f"Type={kind} needs ExecStart=", hint)
    elif not stops and not action:
        yield Refusal(unit.get("Type"), "the service has no command", hint)
    elif not unit.on("RemainAfterExit") and not action:
        hint = "add ExecStart= or RemainAfterExit=yes"
        entry = stops[0] if stops else None
        yield Refusal(entry, "a service with ExecStop= alone ends at once", hint)


def _oneshot(unit: Settings) -> Iterator[Refusal]:
    """Yield what does not go with Type=oneshot."""
    restart = unit.get("Restart")
    if restart is not None and restart.value in ("always", "on-success"):
        message = f"Type=oneshot excludes Restart={restart.value}"
        yield Refusal(restart, message, "write Restart=on-failure")
    forced = unit.get("RestartForceExitStatus")
    if forced is not None and unit.version < _STRICT_SINCE:
        hint = f"systemd {_STRICT_SINCE} allows it; remove the line for older ones"
        yield Refusal(forced, "Type=oneshot excludes RestartForceExitStatus=", hint)
    if unit.value("ExitType") == "cgroup":
        entry = unit.get("ExitType")
        yield Refusal(entry, "Type=oneshot excludes ExitType=cgroup", "write ExitType=main")


def _complaints(unit: Settings, kind: str) -> Iterator[Refusal]:
    """Yield what systemd only complains about."""
    for one, other in (
        ("USBFunctionDescriptors", "USBFunctionStrings"),
        ("USBFunctionStrings", "USBFunctionDescriptors"),
        ("RuntimeRandomizedExtraSec", "RuntimeMaxSec"),
        ("RestartSteps", "RestartMaxDelaySec"),
        ("RestartMaxDelaySec", "RestartSteps"),
    ):
        entry = unit.get(one)
        if entry is not None and unit.get(other) is None and entry.value != "0":
            hint = f"add {other}= or remove the line"
            yield Refusal(entry, f"{one}= does nothing without {other}=", hint, NOTICE)
    lasts = unit.get("RuntimeMaxSec")
    if lasts is not None and kind == "oneshot" and lasts.value != "infinity":
        hint = "write TimeoutStartSec="
        yield Refusal(lasts, "RuntimeMaxSec= does nothing with Type=oneshot", hint, NOTICE)
    longest = unit.get("RestartMaxDelaySec")
    if longest is not None and unit.get("RestartSteps") is not None:
        first = to_microseconds(unit.value("RestartSec", "100ms")) or 0
        if (to_microseconds(longest.value) or 0) < first:
            hint = "write a longer one"
            yield Refusal(longest, "RestartMaxDelaySec= is below RestartSec=", hint, NOTICE)
