"""Status as OpenMetrics, for node_exporter's textfile collector and the like."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from activator.common import tables
from activator.common.extras import installing
from activator.errors import ActivatorError
from activator.live.status.gather import Service, Status, plain

try:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
    from prometheus_client.openmetrics.exposition import generate_latest
    from prometheus_client.registry import Collector, CollectorRegistry
except ImportError as error:
    raise ActivatorError(
        f"cannot load prometheus_client: {error}", installing("metrics"), place="--format"
    ) from None

_LABELS = {
    "socket": ("socket",),
    "address": ("socket", "address", "kind"),
    # A counter whose labels change begins anew: rate() and increase() would see no rise.
    "service": ("socket", "service"),
    "end": ("socket", "service", "result"),
    "ip": ("unit",),
}
_INSTANCES = ("socket", "state")
# Whose labels, and the values of the keys that the table names.
_Sample = tuple[str, tuple[str, ...], Mapping[str, Any]]


def openmetrics(statuses: Iterable[Status]) -> str:
    """Return what is known of sockets and their services, as OpenMetrics has it."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Told(list(statuses)))
    text: bytes = generate_latest(registry)  # type: ignore[no-untyped-call]
    return text.decode()


class _Told(Collector):
    def __init__(self, statuses: list[Status]) -> None:
        self._statuses = statuses

    def collect(self) -> Iterator[Metric]:
        """Yield a family for each row of the table, and the number of instances."""
        # Sockets may share a service, whose own figures are told once.
        samples = {sample[:2]: sample for each in self._statuses for sample in _samples(each)}
        for row in tables.rows(__file__, "figures.tsv"):
            of, key, name, kind, words = row
            family = (CounterMetricFamily if kind == "counter" else GaugeMetricFamily)(
                f"activator_{name}", words, labels=_LABELS[of]
            )
            for what, labels, values in samples.values():
                if what == of and values[key] is not None:
                    family.add_metric(labels, values[key])
            yield family
        instances = GaugeMetricFamily(
            "activator_service_instances", "Instances of Accept=yes by state.", labels=_INSTANCES
        )
        for status in self._statuses:
            states = Counter(one.state.partition(" ")[0] for one in status.services)
            for state, number in states.items() if status.per_connection else ():
                instances.add_metric((status.name, state), number)
        yield instances


def _samples(status: Status) -> Iterator[_Sample]:
    up = status.state in ("listening", "running")
    yield "socket", (status.name,), plain(status) | {"up": up}
    yield "ip", (status.name,), status.ip._asdict()
    for address in status.addresses:
        yield "address", (status.name, address.address, address.kind), address._asdict()
    # A series for each connection would be without end: instances are counted.
    for service in (*(() if status.per_connection else status.services), *status.backends):
        yield "service", (status.name, service.name), _values(service)
        yield "end", (status.name, service.name, service.result), _values(service)
        yield "ip", (service.name,), service.ip._asdict()


def _values(service: Service) -> dict[str, Any]:
    active = service.state.startswith("active ")
    failed = service.result not in ("", "success")
    return service._asdict() | {"active": active, "failed": failed}
