"""What a change of a unit file asks of the unit that runs.

A daemon-reload is enough for what systemd looks up when it needs it. The service must be
restarted for what its process was started with; its socket stays open meanwhile. Only what
a socket was made with needs a new socket, which loses the clients of that moment.

Source: systemd.socket(5), systemd.service(5), systemd.kill(5), and systemd's own
socket.c, where the settings that are not named here are applied when the socket is opened.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from activator.unitfile.parse import UnitFile

# Directives that systemd looks up at the event they are for.
LIVE = {
    "Socket": frozenset(
        {
            "DeferTrigger",
            "DeferTriggerMaxSec",
            "ExecStopPost",
            "ExecStopPre",
            "FlushPending",
            "MaxConnections",
            "MaxConnectionsPerSource",
            "PollLimitBurst",
            "PollLimitIntervalSec",
            "RemoveOnStop",
            "TimeoutSec",
            "TriggerLimitBurst",
            "TriggerLimitIntervalSec",
        }
    ),
    "Service": frozenset(
        {
            "ExecReload",
            "ExecStop",
            "ExecStopPost",
            "FinalKillSignal",
            "KillMode",
            "KillSignal",
            "Restart",
            "RestartForceExitStatus",
            "RestartKillSignal",
            "RestartMaxDelaySec",
            "RestartMode",
            "RestartPreventExitStatus",
            "RestartSec",
            "RestartSteps",
            "SendSIGHUP",
            "SendSIGKILL",
            "SuccessExitStatus",
            "TimeoutAbortSec",
            "TimeoutStartFailureMode",
            "TimeoutStartSec",
            "TimeoutStopFailureMode",
            "TimeoutStopSec",
        }
    ),
}
# Sections of a container's file that say what is run.
_OF_CONTAINERS = frozenset({"Container"})
# Directives of a socket that reach its service when that is started.
PASSED = frozenset({"FileDescriptorName"})
# Directives of a socket whose old value is needed to close it without a trace.
CLOSING = frozenset({"Accept", "Service", "Symlinks"})


# (section, directive) → its (directive, value) pairs.
_Settings = dict[tuple[str, str], list[tuple[str, str]]]
# All Listen directives count as one: their order is that of the descriptors.
_LISTEN = ("Socket", "Listen")


class Effect(IntEnum):
    """What a change asks for, the mildest first."""

    NONE = 0  # nothing beyond daemon-reload
    SERVICE = 1  # the service must start anew
    SOCKET = 2  # the socket must be made anew


@dataclass(frozen=True, slots=True)
class Change:
    """How two versions of a unit differ.

    Attributes:
        effect: What the change asks for.
        names: The directives that changed, in order.
        installs: Whether [Install] changed.
        in_place: Whether the old socket can be closed with the new unit loaded already.
    """

    effect: Effect = Effect.NONE
    names: tuple[str, ...] = ()
    installs: bool = False
    in_place: bool = True

    @property
    def why(self) -> str:
        """Return the change in words."""
        if not self.names:
            return "comments only"
        return f"{', '.join(f'{name}=' for name in self.names)} changed"


def compare(unit: str, before: str, after: str) -> Change:
    """Compare two versions of a unit.

    Args:
        unit: Its name.
        before: The old text.
        after: The new text.
    """
    old, new = _settings(before), _settings(after)
    changed = [key for key in dict.fromkeys([*new, *old]) if old.get(key) != new.get(key)]
    kind = "Socket" if unit.endswith(".socket") else "Service"
    made = _OF_CONTAINERS if unit.endswith(".container") else frozenset()
    effect = max((_effect(kind, *key, made) for key in changed), default=Effect.NONE)
    gone = set(old.get(_LISTEN, ())) - set(new.get(_LISTEN, ()))
    names = [name for key in changed for name in (_kinds(old, new) if key == _LISTEN else key[1:])]
    return Change(
        effect,
        tuple(names),
        any(section == "Install" for section, _ in changed),
        # A node in the file system is removed by the unit that names it.
        not any(value.startswith("/") for _, value in gone)
        and not any(name in CLOSING for _, name in changed),
    )


def _kinds(*versions: _Settings) -> Iterable[str]:
    """Return the Listen directives in some versions, each once."""
    return dict.fromkeys(name for version in versions for name, _ in version.get(_LISTEN, ()))


def _effect(kind: str, section: str, name: str, made: frozenset[str]) -> Effect:
    """Return what a change of one directive asks for.

    Args:
        kind: The section that the unit is about.
        section: The directive's.
        name: The directive.
        made: Sections of which Quadlet makes the unit's own.
    """
    if section in made:
        return Effect.SERVICE
    if section != kind or name in LIVE[kind] or name.startswith("X-"):
        return Effect.NONE
    if kind == "Service" or name in PASSED:
        return Effect.SERVICE
    return Effect.SOCKET


def _settings(text: str) -> _Settings:
    """Return each directive's values in order."""
    found = defaultdict(list)
    for entry in UnitFile.parse(text).entries:
        listens = entry.section == "Socket" and entry.name.startswith("Listen")
        key = _LISTEN if listens else (entry.section, entry.name)
        found[key].append((entry.name, entry.value))
    return dict(found)
