"""Ask the running systemd, through systemctl(1) and journalctl(1).

No shell is used, and every failure is an :class:`~activator.errors.ActivatorError` of one
line. Nothing here knows of specs or of who wrote a unit.
"""

import glob
import os
import re
import stat
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from activator.errors import ActivatorError
from activator.live import journal, unit_state
from activator.live.call import ASK_S, call
from activator.live.escapes import words
from activator.live.paths import status
from activator.live.unit_state import UnitState

# How systemctl begins its complaint → what to do.
_HINTS = {
    "Failed to connect to user": "log in as that user, or see loginctl enable-linger",
    "Access denied": "run it as root",
    "Interactive authentication": "run it as root",
}
# Where no manager runs, what to do instead: for those who would install, and who only ask.
INSTALLING = "--root DIR writes the files alone"
ASKING = "`activator ctl status` asks a local activator"


class Job(NamedTuple):
    """A job of the manager.

    Attributes:
        number: Its number.
        unit: The unit.
        kind: Such as ``start``.
        state: ``running`` or ``waiting``.
    """

    number: str
    unit: str
    kind: str
    state: str


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
            f"--property={','.join(unit_state.PROPERTIES)}",
            # Microseconds in UTC: what a clock and a file system can be compared with.
            "--timestamp=us+utc",
            names=names,
            timeout=ASK_S,
        )
        return [unit_state.read(block) for block in text.split("\n\n") if block.strip()]

    def file_state(self, name: str) -> str:
        """Return how a unit's file is enabled, such as ``enabled``; empty if nobody can tell.

        Below another root, this is all there is to ask.
        """
        argv = ["systemctl", *self._options, "is-enabled", "--", name]
        run = call(argv, timeout=ASK_S)
        return run.stdout.strip() if run else ""

    def version(self) -> int:
        """Return the version of the manager that runs, such as 257.

        Raises:
            ActivatorError: The manager cannot be asked.
        """
        text = self._systemctl("show", "--property=Version", timeout=ASK_S)
        found = re.search(r"\d+", text)
        if found is None:
            raise ActivatorError("systemd does not tell its version", "give --systemd VERSION")
        return int(found[0])

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
        text = self._systemctl("show", *options, names=names, timeout=ASK_S)
        found = []
        for block in filter(str.strip, text.split("\n\n")):
            values = dict.fromkeys(properties, "")
            for name, equals, value in (line.partition("=") for line in block.split("\n")):
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
        text = self._systemctl("list-units", *options, timeout=ASK_S)
        return [line.split()[0] for line in text.split("\n") if line.strip()]

    def jobs(self) -> list[Job]:
        """Return the jobs that are queued or under way.

        Raises:
            ActivatorError: The manager cannot be asked.
        """
        text = self._systemctl("list-jobs", "--plain", "--no-legend", "--full", timeout=ASK_S)
        return [Job(*words[:4]) for words in map(str.split, text.split("\n")) if len(words) > 3]  # noqa: PLR2004

    @cached_property
    def _unit_path(self) -> list[Path]:
        text = self._systemctl("show", "--property=UnitPath", timeout=ASK_S)
        return [Path(word) for word in words(text.strip().removeprefix("UnitPath="))]

    def drop_ins(self, name: str) -> list[Path]:
        """Return the drop-ins of a unit that are on disk, as systemd.unit(5) finds them.

        Raises:
            ActivatorError: The manager cannot be asked where it looks.
        """
        stem, _, kind = name.rpartition(".")
        template, at, _ = stem.partition("@")
        # foo-bar.socket has those of foo-.socket.d too, and all sockets have socket.d.
        dashes = [place for place, letter in enumerate(template) if letter == "-"]
        owners = [name, *([f"{template}@.{kind}"] if at else [])]
        owners += [f"{template[: dash + 1]}.{kind}" for dash in dashes] + [kind]
        found = (
            path
            for base in self._unit_path
            for owner in owners
            for path in base.glob(f"{glob.escape(owner)}.d/*.conf")
        )
        # A link to /dev/null takes one away.
        return [path for path in found if (it := status(path)) and stat.S_ISREG(it.st_mode)]

    def since(self, written: str, monotonic: str) -> float:
        """Return a time that :meth:`properties` gave, in seconds since the epoch; 0 if never.

        Args:
            written: Such as ActiveEnterTimestamp=.
            monotonic: The property of the same name with Monotonic at its end.
        """
        return unit_state.since(written, int(monotonic or 0))

    def reason(
        self, name: str, since: float, invocation: str | None = None, *, besides: str = ""
    ) -> str:
        """Return why a unit failed, in one line: from the journal, or the unit's result.

        Args:
            name: The unit.
            since: Seconds since the epoch; what was logged before does not count.
            invocation: Its InvocationID=, empty if it never started; what was logged of others
                does not count. None: all counts.
            besides: The InvocationID= of a start whose words, as its last ones at a restart, do
                not count.

        Raises:
            ActivatorError: The manager cannot be asked.
        """
        entries = journal.of_failure(name, since, user=self.user)
        if invocation is not None:
            entries = [entry for entry in entries if journal.invocation(entry) == invocation]
        if besides:
            entries = journal.after(entries, besides)
        return journal.telling(name, entries) or self._result(name)

    def _result(self, name: str) -> str:
        """Return a unit's result as a reason."""
        (state,) = self.show([name])
        if state.load != "loaded":
            return f"{name} is {state.load}"
        return f"{name}: result {state.result!r}"

    # ---- orders

    def daemon_reload(self) -> None:
        """Have the manager read all unit files again.

        Raises:
            ActivatorError: It cannot be reached, or refuses.
        """
        self._systemctl("daemon-reload", timeout=ASK_S)

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

    def try_reload(self, names: Sequence[str]) -> None:
        """Have units that are up read their configuration anew, or restart those that cannot.

        Raises:
            ActivatorError: One refuses.
        """
        self._systemctl("try-reload-or-restart", names=names)

    def reset_failed(self, names: Sequence[str]) -> None:
        """Forget the failures of units; patterns and unknown names are fine.

        Raises:
            ActivatorError: The manager refuses.
        """
        failed = [state.name for state in self.show(names) if state.active == "failed"]
        if failed:
            self._systemctl("reset-failed", names=failed, timeout=ASK_S)

    def reset_starts(self, names: Sequence[str]) -> None:
        """Forget how often loaded units were started, which their limits are about.

        Raises:
            ActivatorError: The manager refuses.
        """
        self._systemctl("reset-failed", names=names, timeout=ASK_S)

    def enable(self, names: Sequence[str]) -> None:
        """Make the links that [Install] asks for; nothing is started.

        Raises:
            ActivatorError: A unit cannot be enabled.
        """
        self._systemctl("enable", *self._quiet, names=names, timeout=ASK_S)

    def reenable(self, names: Sequence[str]) -> None:
        """Make the links that [Install] asks for, and remove all others.

        Raises:
            ActivatorError: A unit cannot be enabled.
        """
        self._systemctl("reenable", *self._quiet, names=names, timeout=ASK_S)

    def disable(self, names: Sequence[str]) -> None:
        """Remove the links that [Install] asked for; nothing is stopped.

        Raises:
            ActivatorError: A unit cannot be disabled.
        """
        self._systemctl("disable", *self._quiet, names=names, timeout=ASK_S)

    @property
    def _quiet(self) -> tuple[str, ...]:
        """Return the options for work on files: the caller reloads the manager itself."""
        return ("--quiet", "--no-reload")

    def _systemctl(
        self, verb: str, *options: str, names: Sequence[str] = (), timeout: float | None = None
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
        lines = [
            line for line in run.stderr.split("\n") if line and not line.startswith("Warning:")
        ]
        line = lines[0] if lines else f"it ended with status {run.returncode}"
        if line.startswith("System has not been booted"):
            raise ActivatorError("systemd does not run here", self._instead)
        if line.startswith("Failed to connect to bus"):
            hint = f"is that manager running? {self._instead}"
        else:
            hint = next((hint for start, hint in _HINTS.items() if line.startswith(start)), "")
        raise ActivatorError(f"systemctl {verb}: {line.rstrip('.')}", hint)
