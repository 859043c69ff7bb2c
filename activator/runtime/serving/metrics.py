"""Serve the service's figures as OpenMetrics, on a socket of their own: ``--metrics NAME``.

A thread of its own answers there: also when all others are busy, and scrapes neither count as
connections nor keep the service from its idle exit. What it tells is counted anyway, or asked of
the kernel when somebody wants to know. With workers it is their parent that answers, for all of
them together. The application's own metrics are told too, those of prometheus_client's registry.
"""

from io import BytesIO
from time import monotonic

from activator.common.queue_length import queue_length
from activator.errors import ActivatorError, UsageError
from activator.runtime.listen import Listeners
from activator.runtime.serving.byte_counts import Tallies
from activator.runtime.serving.life import DRAINING
from activator.runtime.serving.scrapes import Scrapes

try:
    from prometheus_client import REGISTRY, MetricsHandler
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
    from prometheus_client.registry import Collector
except ImportError as error:
    from activator.common.extras import installing

    raise ActivatorError(
        f"cannot load prometheus_client: {error}", installing("metrics"), place="--metrics"
    ) from None

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Self

    from prometheus_client.core import Metric

    from activator.runtime.listen import Listener

    # The state, and how many connections are open, were accepted and refused, and messages.
    Figures = tuple[str, int, int, int, int]

LABELS = ("listener", "address")


class Meter:
    """Tells the figures, while its context lasts.

    Attributes:
        others: The listeners that are not for metrics.
        figures: Returns the figures; set by whoever has them.
        by_listener: Whether each listener's accepted connections are counted here.
        tallies: Count bytes.

    Args:
        listeners: What was passed.
        name: The fdname of the sockets to answer on.

    Raises:
        UsageError: There is none of this name, or no other.
    """

    def __init__(self, listeners: Listeners, name: str) -> None:
        mine = [item for item in listeners if item.name == name and item.kind == "stream"]
        others = [item for item in listeners if item not in mine]
        if not mine or not others:
            what = f"no listening stream socket is named {name!r}" if others else "no other socket"
            passed = ", ".join(map(str, listeners))
            raise UsageError(what, f"passed: {passed}", place="--metrics")
        self.others = Listeners(others)
        self.figures: Callable[[], Figures] = lambda: ("starting", 0, 0, 0, 0)
        self.by_listener = True
        self.tallies = Tallies()
        self._collector = _Collector(self)
        self._scrapes = Scrapes(mine, lambda request: _Handler(request).answer)

    def __enter__(self) -> "Self":
        """Begin to answer."""
        REGISTRY.register(self._collector)
        self._scrapes.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Answer no more."""
        self._scrapes.stop()
        REGISTRY.unregister(self._collector)


class _Handler(MetricsHandler):
    """What prometheus_client answers to a request.

    Attributes:
        answer: That.
    """

    def __init__(self, request: bytes) -> None:
        self._request = request
        super().__init__(None, ("", 0), None)  # type: ignore[arg-type]  # it needs neither

    def setup(self) -> None:
        """Begin, with the request's head in place of a connection."""
        self.rfile = BytesIO(self._request)
        self.wfile = BytesIO()

    def finish(self) -> None:
        """End."""
        self.answer: bytes = self.wfile.getvalue()  # type: ignore[attr-defined]

    def do_HEAD(self) -> None:  # noqa: N802 - http.server's name
        """Answer with the head alone."""
        self.do_GET()
        head, end, _ = self.wfile.getvalue().partition(b"\r\n\r\n")  # type: ignore[attr-defined]
        self.wfile = BytesIO(head + end)


class _Collector(Collector):
    """Makes prometheus_client's metrics of the figures."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._draining_since = 0.0

    def describe(self) -> "list[Metric]":
        """Return nothing, so that nothing is collected when this is registered."""
        return []

    def collect(self) -> "Iterator[Metric]":
        """Yield the metrics."""
        state, active, accepted, refused, messages = self._meter.figures()
        total = CounterMetricFamily(
            "activator_connections_accepted",
            "Connections accepted.",
            labels=LABELS if self._meter.by_listener else (),
        )
        if self._meter.by_listener:
            for listener in self._meter.others:
                total.add_metric((listener.name, listener.address), listener.accepted)
        else:
            total.add_metric((), accepted)
        yield total
        yield CounterMetricFamily(
            "activator_connections_refused", "Connections closed unserved.", refused
        )
        yield CounterMetricFamily("activator_messages", "Times datagrams were taken.", messages)
        yield GaugeMetricFamily(
            "activator_connections_active", "Connections and calls not at their end.", active
        )
        yield from self._bytes()
        yield self._drain(state)
        yield from self._queues()

    def _bytes(self) -> "Iterator[Metric]":
        received = CounterMetricFamily(
            "activator_received_bytes", "Bytes of TCP connections that are closed.", labels=LABELS
        )
        sent = CounterMetricFamily("activator_sent_bytes", received.documentation, labels=LABELS)
        for listener, tally in list(self._meter.tallies.by_listener.items()):
            received.add_metric((listener.name, listener.address), tally.received)
            sent.add_metric((listener.name, listener.address), tally.sent)
        yield received
        yield sent

    def _drain(self, state: str) -> "Metric":
        if state == DRAINING and not self._draining_since:
            self._draining_since = monotonic()
        seconds = monotonic() - self._draining_since if self._draining_since else 0.0
        return GaugeMetricFamily(
            "activator_drain_seconds", "How long the service has been draining.", seconds
        )

    def _queues(self) -> "Iterator[Metric]":
        lengths = GaugeMetricFamily(
            "activator_queue_length",
            "Connections that wait in the kernel to be accepted.",
            labels=LABELS,
        )
        limits = GaugeMetricFamily(
            "activator_queue_limit", "How many can wait there; Backlog=.", labels=LABELS
        )
        for listener in self._meter.others:
            found = _queue(listener)
            if found:
                lengths.add_metric((listener.name, listener.address), found[0])
                limits.add_metric((listener.name, listener.address), found[1])
        yield lengths
        yield limits


def _queue(listener: "Listener") -> tuple[int, int] | None:
    return queue_length(listener.socket()) if listener.kind in ("stream", "seqpacket") else None
