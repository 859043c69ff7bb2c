"""What there is to say about the units of a run, as rows for people and programs."""

from collections.abc import Iterator
from typing import Any

from activator.local.services.service import Service
from activator.local.sockets.life import SocketLife
from activator.local.sockets.per_connection import PerConnectionSocket
from activator.local.supervisor import Supervisor


def rows(supervisor: Supervisor, names: list[str]) -> Iterator[dict[str, Any]]:
    """Yield one row a unit: sockets first, then services.

    Args:
        supervisor: The run.
        names: Full names of units; all if it is empty.
    """
    supervisor.take_over()
    for life in supervisor.sockets.values():
        if not names or life.unit.name in names:
            yield _socket(life)
    for service in supervisor.services.values():
        if not names or service.unit.name in names:
            yield _service(service) | {"sockets": list(supervisor.starters(service.unit.name))}


def _socket(life: SocketLife) -> dict[str, Any]:
    """Return the row of a socket unit."""
    row: dict[str, Any] = {
        "unit": life.unit.name,
        "state": life.state,
        "activity": life.activity,
        "result": life.result,
        "addresses": [each.address.human() + " (gone)" * each.vanished for each in life.listeners],
        "service": life.unit.service,
    }
    if isinstance(life, PerConnectionSocket):
        row |= {"accepted": life.accepted, "connections": life.connections}
    return row


def _service(service: Service) -> dict[str, Any]:
    """Return the row of a service."""
    return {
        "unit": service.unit.name,
        "state": service.state.value,
        "activity": service.activity,
        "result": service.result,
        "pid": service.main_pid,
        "text": service.status_text,
        "restarts": service.restarts,
        "client": service.client,
        "status": service.main_status,
    }
