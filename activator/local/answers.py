"""Do what is asked for over the control socket: list units, start, stop, restart, reload them."""

from collections.abc import Awaitable, Callable
from typing import Any

from activator.errors import ActivatorError
from activator.local import status
from activator.local.reload import LiveSupervisor
from activator.local.services.states import GONE


class Answers:
    """Answers requests about one run.

    Args:
        supervisor: The run.
        read_again: Reads all units again; returns what has changed.
    """

    def __init__(
        self, supervisor: LiveSupervisor, read_again: Callable[[], Awaitable[list[str]]]
    ) -> None:
        self._supervisor = supervisor
        self._read_again = read_again

    async def __call__(self, verb: str, names: list[str]) -> Any:
        """Do what was asked for, and return what there is to say.

        Raises:
            ActivatorError: It cannot be done, or has failed.
        """
        if verb == "reload" and not names:
            return await self._read_again()
        known = {**self._supervisor.sockets, **self._supervisor.services}
        if verb in ("list", "status") and not names:
            return list(status.rows(self._supervisor, []))
        full = [_full_name(name, known) for name in names]
        if verb in ("list", "status"):
            return list(status.rows(self._supervisor, full))
        acts: dict[str, Callable[[str], Awaitable[None]]] = {
            "start": self._start,
            "stop": self._stop,
            "restart": self._restart,
            "reload": self._reload,
        }
        if verb not in acts:
            raise ActivatorError(f"'{verb}' is unknown", f"ask for {', '.join(acts)}")
        if verb == "stop":
            # Or a client would start a service again whose socket is stopped next.
            full.sort(key=lambda name: name not in self._supervisor.sockets)
        for name in full:
            await acts[verb](name)
        return list(status.rows(self._supervisor, full))

    async def _start(self, name: str) -> None:
        """Start a service, and wait until it has started."""
        service = self._service(name, "is open while this runs")
        self._supervisor.start_units(name)
        await self._supervisor.until(lambda: not self._supervisor.waits(name))
        _refuse_failed(service, name)

    async def _stop(self, name: str) -> None:
        """Stop a unit, and wait until it has stopped."""
        supervisor = self._supervisor
        supervisor.take_over()
        supervisor.stop_unit(name)
        if name in supervisor.sockets:
            life = supervisor.sockets[name]
            await supervisor.until(lambda: life.state in ("dead", "failed"))
        else:
            service = supervisor.services.get(name)
            await supervisor.until(lambda: service is None or service.state in GONE)

    async def _restart(self, name: str) -> None:
        """Stop a service and start it again; its sockets stay open."""
        service = self._service(name, "is not restarted; reload takes up what has changed")
        self._supervisor.restart_units(name)
        await self._supervisor.until(lambda: not self._supervisor.waits(name))
        _refuse_failed(service, name)

    async def _reload(self, name: str) -> None:
        """Let a service reload, and wait until it has."""
        service = self._service(name, "is not reloaded; reload without a name reads all units")
        if not service.reload():
            hint = "set ExecReload= or Type=notify-reload, and have it run"
            raise ActivatorError(f"{name} cannot reload", hint)
        await self._supervisor.until(lambda: service.activity != "reloading")
        if service.reload_failed:
            raise ActivatorError(f"{name} has failed to reload", "see its output")

    def _service(self, name: str, otherwise: str) -> Any:
        """Return a service, or raise for a socket."""
        if name in self._supervisor.sockets:
            raise ActivatorError(f"{name} is a socket, which {otherwise}", "name the service")
        return self._supervisor.services[name]


def _full_name(name: str, known: dict[str, Any]) -> str:
    """Return a unit's full name; a bare one is the service's, as with systemctl(1).

    Raises:
        ActivatorError: There is no such unit.
    """
    for full in (name, f"{name}.service", f"{name}.socket"):
        if full in known:
            return full
    raise ActivatorError(f"there is no unit {name}", f"choose {', '.join(known) or 'none'}")


def _refuse_failed(service: Any, name: str) -> None:
    """Raise if a service is not up."""
    if service.refusal is not None and not service.skipped:
        raise service.refusal
    if service.activity == "failed":
        raise ActivatorError(f"{name} has failed ({service.result})", "see its output")
