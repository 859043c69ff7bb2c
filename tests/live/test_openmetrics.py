"""`activator status --format openmetrics`, read by prometheus_client's own parser."""

import json
import re
from pathlib import Path

from click.testing import CliRunner
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from activator.cli import status as command
from activator.live.status.gather import Accounting, Address, Service, Status
from activator.live.status.openmetrics import openmetrics

DASHBOARD = Path(__file__).parents[2] / "docs/grafana.json"
LABELS = ("unit", "socket", "service", "address", "kind", "state", "result")
NOTHING = Accounting(None, None, None, None)
BACKEND = Service("shop.service", "failed (failed)", None, None, 7, 3, "exit-code (1)", "", NOTHING)
SHOP = Status(
    name="shop.socket",
    state="listening",
    since_s=12.5,
    per_connection=False,
    accepted=None,
    open=4,
    refused=None,
    most=None,
    backlog=None,
    receive_buffer=None,
    send_buffer=None,
    ip=Accounting(10, 20, 1, 2),
    addresses=(Address('/run/"odd"\\name', "stream", queue=2, queue_limit=128, drops=1),),
    service="shop.service",
    services=(BACKEND,),
    backend="",
    backends=(),
)
EACH = SHOP._replace(
    name="each.socket",
    per_connection=True,
    accepted=9,
    refused=2,
    most=64,
    services=(BACKEND._replace(state="active (running)"),) * 3 + (BACKEND,),
)


def told(*statuses: Status) -> dict[tuple[str, ...], float]:
    """Return the samples: name and labels → value."""
    return {
        (
            sample.name.removeprefix("activator_"),
            *(sample.labels[name] for name in LABELS if name in sample.labels),
        ): sample.value
        for sample in samples(*statuses)
    }


def samples(*statuses: Status) -> list[Sample]:
    """Return what the parser reads."""
    families = text_string_to_metric_families(openmetrics(statuses))  # type: ignore[no-untyped-call]
    return [sample for family in families for sample in family.samples]


def test_a_service() -> None:
    """What is known is told, with its labels; what is not known has no sample."""
    found = told(SHOP)
    assert {
        ("socket_listening", "shop.socket"): 1,
        ("socket_connections", "shop.socket"): 4,
        ("socket_queue", "shop.socket", '/run/"odd"\\name', "stream"): 2,
        ("socket_queue_limit", "shop.socket", '/run/"odd"\\name', "stream"): 128,
        ("socket_drops_total", "shop.socket", '/run/"odd"\\name', "stream"): 1,
        ("service_active", "shop.socket", "shop.service"): 0,
        ("service_failed", "shop.socket", "shop.service", "exit-code (1)"): 1,
        ("service_starts_total", "shop.socket", "shop.service"): 7,
        ("service_restarts_total", "shop.socket", "shop.service"): 3,
        ("unit_ip_received_bytes_total", "shop.socket"): 10,
        ("unit_ip_sent_bytes_total", "shop.socket"): 20,
    } == found


def test_a_counter_goes_on() -> None:
    """Its labels stay the same however the service ends, so that its rise is seen."""
    counters = [
        {
            (sample.name, *sorted(sample.labels.items()))
            for sample in samples(SHOP._replace(services=(BACKEND._replace(result=result),)))
            if sample.name.endswith("_total")
        }
        for result in ("", "success", "signal (SIGKILL)")
    ]
    assert counters[:1] * 3 == counters


def test_instances_are_counted() -> None:
    """A thousand connections are no thousand series."""
    found = told(EACH)
    assert 3 == found["service_instances", "each.socket", "active"]
    assert 1 == found["service_instances", "each.socket", "failed"]
    assert 2 == found["socket_refused_total", "each.socket"]
    assert not any(name == "service_active" for name, *_ in found)


def test_each_series_is_told_once() -> None:
    """An address of two kinds is two, and a service of two sockets is one."""
    both = tuple(Address("0.0.0.0:53", kind, queue=1) for kind in ("stream", "datagram"))
    counted = BACKEND._replace(ip=Accounting(1, 2, 3, 4))
    one = SHOP._replace(addresses=both, services=(counted,))
    names = [
        (sample.name, *sorted(sample.labels.items()))
        for sample in samples(one, one._replace(name="more.socket"))
    ]
    assert len(names) == len(set(names))
    assert 4 == sum(name == "activator_socket_queue" for name, *_ in names)


def test_dashboard() -> None:
    """Each query asks for what is told, and by labels that are there."""
    names = {sample.name for sample in samples(SHOP, EACH)}
    dashboard = json.loads(DASHBOARD.read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    asked = {name for query in queries for name in re.findall(r"activator_\w+", query)}
    assert asked
    assert set() == asked - names


def test_it_is_told_once() -> None:
    """What ends with # EOF cannot be told again and again."""
    done = CliRunner().invoke(command.command, ["--format", "openmetrics", "--watch"])
    assert 0 != done.exit_code
    assert "--watch" in str(done.exception)
