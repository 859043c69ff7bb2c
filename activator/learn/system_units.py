"""Put drop-ins before services that systemd runs, and take them back, whatever happens."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from activator.errors import ActivatorError
from activator.learn.undisturbed import undisturbed
from activator.live import learning
from activator.live.manager import Manager
from activator.output.atomic import write_all

# How many restarts by itself are no accident.
_STARTS = 2


class Traced:
    """Has services traced in the body; their sockets stay open.

    Args:
        manager: Who runs them.
        sockets: The names of the sockets.
        services: The names of their services that are restarted; instances are new by themselves.
        texts: The drop-ins, by the names of services and templates.
    """

    def __init__(
        self,
        manager: Manager,
        sockets: Sequence[str],
        services: Sequence[str],
        texts: Mapping[str, str],
    ) -> None:
        self._manager = manager
        self._sockets = tuple(sockets)
        self._services = tuple(services)
        self._texts = texts
        self._instances = [
            name.replace("@.", "@*.") for name in texts if name.endswith("@.service")
        ]
        self._before: set[str] = set()

    def __enter__(self) -> Self:
        """Write the drop-ins and restart the services.

        Raises:
            ActivatorError: One is there already, or a service does not come up.
        """
        for name in self._texts:
            if learning.drop_in(name).exists():
                what = f"{name} is learned from already, or was by a command that was killed"
                raise ActivatorError(what, "see: activator doctor")
        self._before = self._up()
        try:
            for name, text in self._texts.items():
                path = learning.drop_in(name)
                path.parent.mkdir(parents=True, exist_ok=True)
                write_all(path.parent, {path.name: text})
            self._manager.daemon_reload()
            self._restart()
        except BaseException:
            self._take_back()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove the drop-ins, restart the services, and start again what ran before.

        Raises:
            ActivatorError: Not all is as it was.
        """
        try:
            self._take_back()
        except KeyboardInterrupt:
            # The signal came before they were ignored, and none comes after it.
            self._take_back()
            raise

    def check(self) -> None:
        """See whether the sockets are open, and the services come up.

        Raises:
            ActivatorError: They are not, or do not: nobody would answer a client.
        """
        for state in self._manager.show(self._sockets):
            if state.active == "failed":
                raise _lost(f"{state.name} has failed", self._services)
        wanted = ("Id", "NRestarts", "Result")
        for row in self._manager.properties(self._services, wanted):
            # Counted since the restart of ours.
            if int(row["NRestarts"] or 0) > _STARTS and row["Result"] != "success":
                raise _lost(f"{row['Id']} ends at each start ({row['Result']})", [row["Id"]])

    def _up(self) -> set[str]:
        names = (*self._sockets, *self._services, *self._instances)
        return {state.name for state in self._manager.show(names) if state.up}

    def _take_back(self) -> None:
        problems: list[ActivatorError] = []
        with undisturbed():
            for name in self._texts:
                path = learning.drop_in(name)
                path.unlink(missing_ok=True)
                _remove_if_empty(path.parent)
            # What does not come up by the second is started by the last, if it ran before.
            orders = (self._restart, self._stop_new, self._start_again)
            for order in (self._manager.daemon_reload, *orders):
                try:
                    order()
                except ActivatorError as error:
                    if order != self._restart:
                        problems.append(error)
        if problems:
            hint = f"systemctl daemon-reload, then: systemctl restart {' '.join(self._services)}"
            what = f"not all is as it was: {problems[0].message}"
            raise ActivatorError(what, hint.rstrip()) from None

    def _restart(self) -> None:
        up = [name for name in self._services if name in self._up()]
        if up:
            # Restarts of ours are none that the unit's limit is about.
            self._manager.reset_starts(up)
            self._manager.try_restart(up)

    def _stop_new(self) -> None:
        """Stop instances that were started outside their sandbox."""
        states = self._manager.show(self._instances)
        new = [state.name for state in states if state.up and state.name not in self._before]
        self._manager.stop(new)

    def _start_again(self) -> None:
        """Start what ran before, and does not."""
        down = sorted(self._before - self._up() - set(self._instances_of_before()))
        if down:
            self._manager.reset_failed((*self._sockets, *self._services))
            # Sockets first: a service that begins without its socket would keep it shut.
            self._manager.start(sorted(down, key=lambda name: not name.endswith(".socket")))

    def _instances_of_before(self) -> list[str]:
        """Return the instances that ran before, which end with their clients."""
        known = {*self._sockets, *self._services}
        return [name for name in self._before if name not in known]


def _lost(what: str, services: Sequence[str]) -> ActivatorError:
    see = " ".join(f"-u {name}" for name in services)
    return ActivatorError(what, f"see: journalctl {see}" if see else "")


def _remove_if_empty(directory: Path) -> None:
    with suppress(OSError):
        directory.rmdir()
