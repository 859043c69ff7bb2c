"""The figures of status through node_exporter and Prometheus: the dashboard and the alerts.

Both are Debian's. node_exporter takes its socket from `activator run`.
"""

import itertools
import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest

from activator.live.status.gather import Status
from activator.live.status.openmetrics import openmetrics
from tests.live.test_openmetrics import BACKEND, DASHBOARD, EACH, SHOP
from tests.support.local import Activate, free_port

PACKAGES = ("prometheus", "prometheus-node-exporter")
pytestmark = pytest.mark.stress
T = TypeVar("T")
PATIENCE = 120.0
PORT_TAKEN = "address already in use"
ALERTS = DASHBOARD.with_name("alerts.yml")
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


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of both programs; unpacked only, so that no service of theirs starts."""
    directory = tmp_path_factory.mktemp("prometheus")
    try:
        subprocess.run(
            ("apt-get", "-q", "download", *PACKAGES), cwd=directory, check=True, capture_output=True
        )
        for package in directory.glob("*.deb"):
            subprocess.run(("dpkg", "-x", package, directory), check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"Prometheus cannot be had: {error}")
    return directory / "usr/bin"


@pytest.fixture
def exporter(activate: Activate, programs: Path, tmp_path: Path) -> str:
    """Return the address of a node_exporter that reads sockets.prom."""
    command = (
        f"{programs / PACKAGES[1]} --web.systemd-socket --collector.disable-defaults"
        f" --collector.textfile --collector.textfile.directory={tmp_path}"
    )
    (tmp_path / "node.socket").write_text("[Socket]\nListenStream=127.0.0.1:9100\n")
    (tmp_path / "node.service").write_text(f"[Service]\nExecStart={command}\n")
    run = activate("--free-ports", "node.socket")
    return run.until(r"listening on (127\.0\.0\.1:\d+)")[1]


@pytest.fixture
def prometheus(exporter: str, programs: Path, tmp_path: Path) -> Iterator[str]:
    """Yield the address of a Prometheus that scrapes it."""
    configuration = tmp_path / "prometheus.yml"
    configuration.write_text(CONFIGURATION.format(address=exporter))
    # As they are, but without the patience.
    alerts = re.sub(r"^ +for: .*\n", "", ALERTS.read_text(), flags=re.MULTILINE)
    (tmp_path / "alerts.yml").write_text(alerts)
    log = tmp_path / "prometheus.log"
    while True:
        address = f"127.0.0.1:{free_port()}"
        command = (
            str(programs / PACKAGES[0]),
            f"--config.file={configuration}",
            f"--storage.tsdb.path={tmp_path / 'data'}",
            f"--web.listen-address={address}",
        )
        with log.open("wb") as file:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
        try:
            if answers(address, process, log):
                yield address
                return
        finally:
            process.kill()
            process.wait()


def answers(address: str, process: "subprocess.Popen[bytes]", log: Path) -> bool:
    """Wait until a Prometheus answers; tell whether it does, or somebody else has its port."""
    wait(lambda: is_ready(address) or process.poll() is not None, log)
    if process.poll() is None:
        return True
    assert PORT_TAKEN in log.read_text(), log.read_text()
    return False


def wait(look: Callable[[], T], log: Path) -> T:
    """Wait until something is there; return it."""
    end = time.monotonic() + PATIENCE
    while not (found := look()):
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.1)
    return found


def is_ready(address: str) -> bool:
    """Tell whether a Prometheus answers."""
    try:
        with urlopen(f"http://{address}/-/ready", timeout=PATIENCE) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def ask(address: str, query: str) -> list[tuple[dict[str, str], float]]:
    """Return the series of a query, with their labels."""
    with urlopen(f"http://{address}/api/v1/query?{urlencode({'query': query})}") as answer:
        told = json.load(answer)
    assert "success" == told["status"], told
    return [(one["metric"], float(one["value"][1])) for one in told["data"]["result"]]


def tell(directory: Path, statuses: list[Status]) -> Path:
    """Have node_exporter read some figures; return their file."""
    path = directory / "sockets.prom"
    new = path.with_suffix(".new")
    new.write_text(openmetrics(statuses))
    return new.rename(path)


def test_the_dashboard_shows_what_status_tells(prometheus: str, tmp_path: Path) -> None:
    """Each query has an answer, and a value is the one that was told."""
    dashboard = json.loads(DASHBOARD.read_text())
    log = tmp_path / "prometheus.log"
    counter = itertools.count(1)

    def answered(query: str) -> list[tuple[dict[str, str], float]]:
        """Let the counters rise until the query has an answer that is not nothing."""
        tell(tmp_path, now(next(counter)))
        return [one for one in ask(prometheus, query) if one[1] or "==" in query]

    found = {}
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            query = target["expr"].replace("$__rate_interval", "1m").replace("$instance", ".*")
            found[query] = wait(partial(answered, query), log)
    assert [] == [text for text in ask(prometheus, "node_textfile_scrape_error") if text[1]]
    shares = next(query for query in found if "_queue_limit" in query)
    assert {2 / 128} == {value for _, value in found[shares]}
    closed = next(query for query in found if "_listening" in query)
    assert ["full.socket"] == [labels["socket"] for labels, _ in found[closed]]


def test_each_alert_fires(prometheus: str, tmp_path: Path) -> None:
    """None of a well machine; of an ill one all, with words that name the unit."""
    log = tmp_path / "prometheus.log"
    well = SHOP._replace(services=(BACKEND._replace(state="active (running)", result="success"),))
    well = well._replace(backends=(), accepted=1, refused=0, most=64)
    tell(tmp_path, [well])
    wait(lambda: ask(prometheus, "activator_socket_listening"), log)
    names = {rule["name"] for rule in rules(prometheus)}
    wait(lambda: all(rule["health"] == "ok" for rule in rules(prometheus)), log)
    assert [] == ask(prometheus, "ALERTS")
    counter = itertools.count(1)

    def fired() -> bool:
        count = 10 * next(counter)
        (address,) = well.addresses
        full = address._replace(queue=127, drops=count)
        failed = BACKEND._replace(starts=count, restarts=count)
        ill = well._replace(addresses=(full,), services=(failed,), refused=count, open=63)
        path = tell(tmp_path, [ill._replace(state="failed")])
        os.utime(path, (1e9, 1e9))
        return names == {labels["alertname"] for labels, _ in ask(prometheus, "ALERTS")}

    wait(fired, log)
    for rule in rules(prometheus):
        (alert, *_) = rule["alerts"]
        words = alert["annotations"]["summary"]
        assert "<no value>" not in words
        assert any(name in words for name in ("shop.socket", "shop.service", "sockets.prom"))


def rules(address: str) -> list[dict[str, Any]]:
    """Return what Prometheus knows of its rules."""
    with urlopen(f"http://{address}/api/v1/rules") as answer:
        (group,) = json.load(answer)["data"]["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found
