"""The figures of status through node_exporter and Prometheus: the dashboard and the alerts.

Both are Debian's. node_exporter takes its socket from `activator run`.
"""

import itertools
import os
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from activator.live.status.gather import Status
from activator.live.status.openmetrics import openmetrics
from tests.live.test_openmetrics import BACKEND, EACH, SHOP
from tests.support.local import Activate, free_port
from tests.support.prometheus import PACKAGES, Prometheus, alerts_at_once, queries

pytestmark = pytest.mark.stress
PORT_TAKEN = "address already in use"
CONFIGURATION = """\
global: {{scrape_interval: 250ms, evaluation_interval: 250ms}}
rule_files: [alerts.yml]
scrape_configs:
  - job_name: machines
    static_configs: [{{targets: ["{address}"]}}]
"""


def now(count: int) -> list[Status]:
    """Return sockets whose counters stand at a number."""
    service = BACKEND._replace(starts=count, restarts=count)
    shop = SHOP._replace(services=(service,), accepted=count, refused=count)
    address = shop.addresses[0]._replace(drops=count)
    full = EACH._replace(name="full.socket", state="failed")
    return [shop._replace(addresses=(address,)), EACH, full]


@pytest.fixture
def exporter(activate: Activate, prometheus_programs: Path, tmp_path: Path) -> str:
    """Return the address of a node_exporter that reads sockets.prom."""
    command = (
        f"{prometheus_programs / PACKAGES[1]} --web.systemd-socket --collector.disable-defaults"
        f" --collector.textfile --collector.textfile.directory={tmp_path}"
    )
    (tmp_path / "node.socket").write_text("[Socket]\nListenStream=127.0.0.1:9100\n")
    (tmp_path / "node.service").write_text(f"[Service]\nExecStart={command}\n")
    run = activate("--free-ports", "node.socket")
    return run.until(r"listening on (127\.0\.0\.1:\d+)")[1]


@pytest.fixture
def prometheus(exporter: str, prometheus_programs: Path, tmp_path: Path) -> Iterator[Prometheus]:
    """Yield a Prometheus that scrapes it."""
    configuration = tmp_path / "prometheus.yml"
    configuration.write_text(CONFIGURATION.format(address=exporter))
    (tmp_path / "alerts.yml").write_text(alerts_at_once())
    log = tmp_path / "prometheus.log"
    while True:
        found = Prometheus(f"127.0.0.1:{free_port()}", log)
        command = (
            str(prometheus_programs / PACKAGES[0]),
            f"--config.file={configuration}",
            f"--storage.tsdb.path={tmp_path / 'data'}",
            f"--web.listen-address={found.address}",
        )
        with log.open("wb") as file:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
        try:
            if answers(found, process, log):
                yield found
                return
        finally:
            process.kill()
            process.wait()


def answers(found: Prometheus, process: "subprocess.Popen[bytes]", log: Path) -> bool:
    """Wait until a Prometheus answers; tell whether it does, or somebody else has its port."""
    found.wait(lambda: found.is_ready() or process.poll() is not None)
    if process.poll() is None:
        return True
    assert PORT_TAKEN in log.read_text(), log.read_text()
    return False


def tell(directory: Path, statuses: list[Status]) -> Path:
    """Have node_exporter read some figures; return their file."""
    path = directory / "sockets.prom"
    new = path.with_suffix(".new")
    new.write_text(openmetrics(statuses))
    return new.rename(path)


def test_the_dashboard_shows_what_status_tells(prometheus: Prometheus, tmp_path: Path) -> None:
    """Each query has an answer, and a value is the one that was told."""
    counter = itertools.count(1)

    def answered(query: str) -> list[tuple[dict[str, str], float]]:
        """Let the counters rise until the query has an answer that is not nothing."""
        tell(tmp_path, now(next(counter)))
        return [one for one in prometheus.ask(query) if one[1] or "==" in query]

    found = {}
    for query in queries():
        found[query] = prometheus.wait(partial(answered, query))
    assert [] == [text for text in prometheus.ask("node_textfile_scrape_error") if text[1]]
    shares = next(query for query in found if "_queue_limit" in query)
    assert {2 / 128} == {value for _, value in found[shares]}
    closed = next(query for query in found if "_listening" in query)
    assert ["full.socket"] == [labels["socket"] for labels, _ in found[closed]]


def test_each_alert_fires(prometheus: Prometheus, tmp_path: Path) -> None:
    """None of a well machine; of an ill one all, with words that name the unit."""
    well = SHOP._replace(services=(BACKEND._replace(state="active (running)", result="success"),))
    well = well._replace(backends=(), accepted=1, refused=0, most=64)
    tell(tmp_path, [well])
    prometheus.wait(lambda: prometheus.ask("activator_socket_listening"))
    names = {rule["name"] for rule in prometheus.rules()}
    prometheus.wait(lambda: all(rule["health"] == "ok" for rule in prometheus.rules()))
    assert [] == prometheus.ask("ALERTS")
    counter = itertools.count(1)

    def fired() -> bool:
        count = 10 * next(counter)
        (address,) = well.addresses
        full = address._replace(queue=127, drops=count)
        failed = BACKEND._replace(starts=count, restarts=count)
        ill = well._replace(addresses=(full,), services=(failed,), refused=count, open=63)
        path = tell(tmp_path, [ill._replace(state="failed")])
        os.utime(path, (1e9, 1e9))
        return names == {labels["alertname"] for labels, _ in prometheus.ask("ALERTS")}

    prometheus.wait(fired)
    for rule in prometheus.rules():
        (alert, *_) = rule["alerts"]
        words = alert["annotations"]["summary"]
        assert "<no value>" not in words
        assert any(name in words for name in ("shop.socket", "shop.service", "sockets.prom"))
