"""Ask the running systemd, through systemctl(1) and journalctl(1).

No shell is used, and every failure is an :class:`~activator.errors.ActivatorError` of one
line. Nothing here knows of specs or of who wrote a unit.
"""

import json
import os
import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from activator.errors import ActivatorError

# Seconds for what does not wait for a unit: systemctl waits as long itself for the bus.
_ASK_S = 90.0
_PROPERTIES = {
    "Id": "",
    "LoadState": "",
    "ActiveState": "",
    "Result": "",
    "UnitFileState": "",
    "FragmentPath": "",
    "DropInPaths": "",
    "ActiveEnterTimestamp": "",
    "ActiveEnterTimestampMonotonic": "0",
    "NeedDaemonReload": "",
}
# How systemctl begins its complaint → what to do.
_HINTS = {
    "Failed to connect to user": "log in as that user, or see loginctl enable-linger",
    "Access denied": "run it as root",
    "Interactive authentication": "run it as root",
}
# Where no manager runs, what to do instead: for those who would install, and who only ask.
INSTALLING = "--root DIR writes the files alone"
ASKING = "`activator ctl status` asks a local activator"
# Of syslog(3), as the journal keeps them.
_ERR, _NOTICE = 3, 5
# Messages of the manager that are no reasons hold one of these.
_IDLE = ("Failed with result", "ignoring", "Scheduled restart")


@dataclass(frozen=True, slots=True)
class UnitState:
    """What the manager says of a unit.

    Attributes:
        name: The unit's name.
        load: LoadState=, such as ``loaded`` or ``not-found``.
        active: ActiveState=, such as ``active`` or ``failed``.
        result: Result=, such as ``success``.
        file: UnitFileState=, such as ``enabled``; empty without a file.
        path: The file it was loaded from; empty without one.
        dropins: The drop-ins it was loaded with.
        since: When it became active last, in seconds since the epoch; 0 if never.
        unread: Whether its files changed since the manager read them.
    """

    name: str
    load: str
    active: str
    result: str
    file: str
    path: str
    dropins: tuple[str, ...]
    since: float
    unread: bool

    @property
    def up(self) -> bool:
        """Tell whether it is active, or on its way there or back."""
        return self.active not in ("inactive", "failed", "")


class Manager:
    """The system's manager, a user's own, or the files of a system that does not run.

    Args:
        user: Whether it is the calling user's manager.
        root: The root directory of a system that does not run: then only :meth:`enable` and
            :meth:`disable` work.
        instead: What to do where no manager runs, for errors.
    """

    def __init__(
        self,
        *,
        user: bool = False,
        root: str | os.PathLike[str] | None = None,
        instead: str = INSTALLING,
    ) -> None:
        self.user = user
        self._instead = instead
        self.root = None if root is None else Path(root)
        self._options: list[str] = []
        if self.root is not None:
            self._options = [f"--root={self.root}", *(["--global"] if user else [])]
        elif user:
            self._options = ["--user"]

    # ---- questions

    def show(self, names: Sequence[str]) -> list[UnitState]:
        """Return the state of units, one each in order, of unknown ones too.

        A pattern such as ``echo@*.service`` stands for all loaded units that match it.

        Raises:
            ActivatorError: The manager cannot be asked.
        """
        if not names:
            return []
        text = self._systemctl(
            "show",
            f"--property={','.join(_PROPERTIES)}",
            # Microseconds in UTC: what a clock and a file system can be compared with.
            "--timestamp=us+utc",
            names=names,
            timeout=_ASK_S,
        )
        return [_state(block) for block in text.split("\n\n") if block.strip()]

    def properties(self, names: Sequence[str], wanted: Iterable[str]) -> list[dict[str, str]]:
        """Return properties of units as systemctl shows them, a block for each, in order.

        A pattern stands for all loaded units that match it. What is shown on several lines,
        such as Listen=, is one text of as many lines; what a unit lacks is empty.

        Raises:
            ActivatorError: The manager cannot be asked.
        """
        if not names:
            return []
        properties = list(wanted)
        options = (f"--property={','.join(properties)}", "--timestamp=us+utc")
        text = self._systemctl("show", *options, names=names, timeout=_ASK_S)
        found = []
        for block in filter(str.strip, text.split("\n\n")):
            values = dict.fromkeys(properties, "")
            for name, equals, value in (line.partition("=") for line in block.splitlines()):
                if equals and name in values:
                    values[name] += f"\n{value}" if values[name] else value
            found.append(values)
        return found

    def loaded(self, kind: str) -> list[str]:
        """Return the names of all units of a type that the manager has loaded.

        Args:
            kind: The type, such as ``socket``.

        Raises:
            ActivatorError: The manager cannot be asked.
        """
        options = (f"--type={kind}", "--all", "--plain", "--no-legend", "--full")
        text = self._systemctl("list-units", *options, timeout=_ASK_S)
        return [line.split()[0] for line in text.splitlines() if line.strip()]

    def since(self, written: str, monotonic: str) -> float:
        """Return a time that :meth:`properties` gave, in seconds since the epoch; 0 if never.

        Args:
            written: Such as ActiveEnterTimestamp=.
            monotonic: The property of the same name with Monotonic at its end.
        """
        return _since(written, int(monotonic or 0))

    def reason(self, name: str, since: float, invocation: str = "") -> str:
        """Return why a unit failed, in one line: from the journal, or the unit's result.

        Args:
            name: The unit.
            since: Seconds since the epoch; what was logged before does not count.
            invocation: Its InvocationID=; what was logged of others does not count.

        Raises:
            ActivatorError: The manager cannot be asked.
        """
        entries = [
            entry
            for entry in self._journal(name, since)
            if not invocation
            or entry.get("INVOCATION_ID", entry.get("_SYSTEMD_INVOCATION_ID")) == invocation
        ]
        return _reason(name, entries) or self._result(name)

    def _result(self, name: str) -> str:
        """Return a unit's result as a reason."""
        (state,) = self.show([name])
        if state.load != "loaded":
            return f"{name} is {state.load}"
        return f"{name}: result {state.result!r}"

    def _journal(self, name: str, since: float) -> Iterator[dict[str, Any]]:
        """Yield the log entries of a unit, as far as the user may read them."""
        # What --unit stands for, but for messages of the manager's helpers: when they are
        # read, the helper may have ended, and nothing but UNIT= tells what they are about.
        fields = ("USER_UNIT", "_SYSTEMD_USER_UNIT") if self.user else ("UNIT", "_SYSTEMD_UNIT")
        # The last messages may still be on their way.
        call(["journalctl", "--sync"], timeout=_ASK_S)
        run = call(
            [
                *("journalctl", "--output=json", "--no-pager", "--quiet"),
                *(f"--since=@{since:.6f}", f"{fields[0]}={name}", "+", f"{fields[1]}={name}"),
            ],
            timeout=_ASK_S,
        )
        for line in run.stdout.splitlines() if run else ():
            yield json.loads(line)

    # ---- orders

    def daemon_reload(self) -> None:
        """Have the manager read all unit files again.

        Raises:
            ActivatorError: It cannot be reached, or refuses.
        """
        self._systemctl("daemon-reload", timeout=_ASK_S)

    def start(self, names: Sequence[str]) -> None:
        """Start units and wait until they are up.

        Raises:
            ActivatorError: One does not come up.
        """
        self._systemctl("start", names=names)

    def stop(self, names: Sequence[str]) -> None:
        """Stop units and wait until they are down; patterns and unknown names are fine.

        Raises:
            ActivatorError: One does not stop.
        """
        known = [state.name for state in self.show(names) if state.load != "not-found" or state.up]
        if known:
            self._systemctl("stop", names=known)

    def restart(self, names: Sequence[str]) -> None:
        """Restart units in one transaction, in their order; start those that are down.

        Raises:
            ActivatorError: One does not come up.
        """
        self._systemctl("restart", names=names)

    def try_restart(self, names: Sequence[str]) -> None:
        """Restart units that are up, and leave the others alone.

        Raises:
            ActivatorError: One does not come up.
        """
        self._systemctl("try-restart", names=names)

    def reset_failed(self, names: Sequence[str]) -> None:
        """Forget the failures of units; patterns and unknown names are fine.

        Raises:
            ActivatorError: The manager refuses.
        """
        failed = [state.name for state in self.show(names) if state.active == "failed"]
        if failed:
            self._systemctl("reset-failed", names=failed, timeout=_ASK_S)

    def enable(self, names: Sequence[str]) -> None:
        """Make the links that [Install] asks for; nothing is started.

        Raises:
            ActivatorError: A unit cannot be enabled.
        """
        self._systemctl("enable", *self._quiet, names=names, timeout=_ASK_S)

    def reenable(self, names: Sequence[str]) -> None:
        """Make the links that [Install] asks for, and remove all others.

        Raises:
            ActivatorError: A unit cannot be enabled.
        """
        self._systemctl("reenable", *self._quiet, names=names, timeout=_ASK_S)

    def disable(self, names: Sequence[str]) -> None:
        """Remove the links that [Install] asked for; nothing is stopped.

        Raises:
            ActivatorError: A unit cannot be disabled.
        """
        self._systemctl("disable", *self._quiet, names=names, timeout=_ASK_S)

    @property
    def _quiet(self) -> tuple[str, ...]:
        """Return the options for work on files: the caller reloads the manager itself."""
        return ("--quiet", "--no-reload")

    def _systemctl(
        self,
        verb: str,
        *options: str,
        names: Sequence[str] = (),
        timeout: float | None = None,
    ) -> str:
        """Run systemctl and return its output.

        Raises:
            ActivatorError: It failed; the message is its first line that is no warning.
        """
        argv = ["systemctl", *self._options, "--no-pager", verb, *options, "--", *names]
        run = call(argv, timeout=timeout)
        if run is None:
            raise ActivatorError("there is no systemctl", self._instead)
        if run.returncode == 0:
            return run.stdout
        lines = [line for line in run.stderr.splitlines() if not line.startswith("Warning:")]
        line = lines[0] if lines else f"it ended with status {run.returncode}"
        if line.startswith("System has not been booted"):
            raise ActivatorError("systemd does not run here", self._instead)
        if line.startswith("Failed to connect to bus"):
            hint = f"is that manager running? {self._instead}"
        else:
            hint = next((hint for start, hint in _HINTS.items() if line.startswith(start)), "")
        raise ActivatorError(f"systemctl {verb}: {line.rstrip('.')}", hint)


def call(argv: list[str], *, timeout: float | None) -> "subprocess.CompletedProcess[str] | None":
    """Run a program with plain output; None if it is missing."""
    plain = {"LC_ALL": "C.UTF-8", "SYSTEMD_COLORS": "0", "SYSTEMD_PAGER": ""}
    try:
        return subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=timeout,
            env=os.environ | plain,
        )
    except FileNotFoundError:
        return None
    except subprocess.TimeoutExpired:
        raise ActivatorError(
            f"{argv[0]} did not answer within {timeout:g} s", "see whether the manager still works"
        ) from None


def _state(block: str) -> UnitState:
    """Return what a block of ``systemctl show`` says."""
    given = _PROPERTIES | dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
    return UnitState(
        name=given["Id"],
        load=given["LoadState"],
        active=given["ActiveState"],
        result=given["Result"],
        file=given["UnitFileState"],
        path=given["FragmentPath"],
        dropins=tuple(given["DropInPaths"].split()),
        since=_since(
            given["ActiveEnterTimestamp"], int(given["ActiveEnterTimestampMonotonic"] or 0)
        ),
        unread=given["NeedDaemonReload"] == "yes",
    )


def _since(written: str, monotonic: int) -> float:
    """Return when a unit became active, in seconds since the epoch; 0 if never.

    A machine without a clock of its own boots with a wrong time, which is what was written
    down then. So the time that has passed since is taken off the present time as well, and
    the later one counts.

    Args:
        written: The time of day, as ``--timestamp=us+utc`` writes it.
        monotonic: The time since the boot, in microseconds.
    """
    if not monotonic:
        return 0.0
    passed = time.monotonic() - monotonic / 1e6
    try:
        then = datetime.strptime(f"{written}+0000", "%a %Y-%m-%d %H:%M:%S.%f UTC%z").timestamp()
    except ValueError:
        then = 0.0
    return max(then, time.time() - passed)


def _reason(name: str, entries: list[dict[str, Any]]) -> str:
    """Return the line of a log that tells best why a unit failed; empty if none does.

    That is the manager's first error about it, else its last notice with the last word of
    the unit's own program.
    """
    errors, notices, words = [], [], []
    for entry in entries:
        message, priority = entry.get("MESSAGE"), int(entry.get("PRIORITY", 6))
        if not isinstance(message, str) or not message.strip():
            continue
        line = message.strip().splitlines()[-1].rstrip(".")
        if "UNIT" not in entry and "USER_UNIT" not in entry:
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
    last = f"last words: {words[-1]}" if words else ""
    if notices:
        return f"{notices[-1]} ({last})" if last else notices[-1]
    return f"{name}: {last}" if last else ""
