"""Three hosts under Prometheus: their figures by node_exporter, alerts, and what HAProxy counts."""

import json
import re
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from tests.boxes.fixtures import PROJECT
from tests.boxes.network import Host
from tests.support.fleet import Fleet, Told
from tests.support.prometheus import Prometheus, alerts_at_once, queries
from tests.support.traffic import FIGURES, GATEWAY, Balancer, balancer

pytest.importorskip("ansible")
pytestmark = [pytest.mark.box, pytest.mark.stress, pytest.mark.other_systemd]

TEXTS = "/var/lib/prometheus/node-exporter"
EXPORTER = 9100
CONFIGURATION = f"""\
global: {{scrape_interval: 500ms, evaluation_interval: 500ms}}
rule_files: [alerts.yml]
scrape_configs:
  - job_name: hosts
    static_configs: [{{targets: [TARGETS]}}]
  - job_name: haproxy
    static_configs: [{{targets: ["{FIGURES}"]}}]
"""
PORTS = {"each": 7710, "shared": 7711, "full": 7712, "fails": 7713, "ends": 7714}
ECHO = "activator.examples.echo:echo"
BUSY = 4
# What is installed on each host: two services that are well, and three that are not for long.
SPECS: dict[str, tuple[Told, Told]] = {
    "each": (
        {"mode": "per-connection", "handler": ECHO, "python": Host.python},
        {"MaxConnections": BUSY},
    ),
    "shared": ({"handler": ECHO, "python": Host.python}, {}),
    "full": ({"exec": "/usr/bin/sleep infinity"}, {"Backlog": BUSY}),
    "fails": (
        {"exec": "/usr/bin/false", "service": {"Restart": "no"}},
        {"TriggerLimitIntervalSec": "1min", "TriggerLimitBurst": 2},
    ),
    "ends": (
        {"exec": "/usr/bin/sleep infinity", "service": {"RestartSec": "100ms"}},
        {},
    ),
}
VISITS = 12
PLAY = """\
- hosts: all
  gather_facts: false
  tasks:
    - activator.systemd.service:
        spec: "{{ item }}"
        state: "{{ wanted }}"
      loop: "{{ specs }}"
      loop_control: {label: "{{ item.name }}"}
"""


def play(fleet: Fleet, state: str) -> None:
    """Have the services of all hosts in a state."""
    specs = [
        {"name": name, **keys, "sockets": {name: {"ListenStream": f"0.0.0.0:{PORTS[name]}"} | of}}
        for name, (keys, of) in SPECS.items()
    ]
    done = fleet.playbook(PLAY, "--extra-vars", json.dumps({"specs": specs, "wanted": state}))
    assert 0 == done.returncode, done.stdout + done.stderr


@pytest.fixture
def watched(booted: Fleet) -> Iterator[Fleet]:
    """Yield hosts that write their figures as docs/status.md has it."""
    page = (PROJECT / "docs/status.md").read_text()
    (text,) = re.findall(r"^# sockets-prom.service\n(.*?)^#", page, re.MULTILINE | re.DOTALL)
    with ExitStack() as stack:
        for host in booted.hosts:
            stack.enter_context(host.units({"sockets-prom.service": text}))
            stack.callback(host.run, "rm", "-f", f"{TEXTS}/sockets.prom")
        play(booted, "present")
        stack.callback(play, booted, "absent")
        tell(booted)
        yield booted


@pytest.fixture
def front(watched: Fleet) -> Iterator[Balancer]:
    """Yield an HAProxy before the services that are well."""
    backends = {name: ("tcp", PORTS[name]) for name in ("each", "shared")}
    with balancer(watched, backends) as found:
        yield found


@pytest.fixture
def prometheus(watched: Fleet, prometheus_programs: Path, tmp_path: Path) -> Iterator[Prometheus]:
    """Yield a Prometheus that scrapes the hosts and HAProxy."""
    targets = ", ".join(f'"{host.address}:{EXPORTER}"' for host in watched.hosts)
    configuration = tmp_path / "prometheus.yml"
    configuration.write_text(CONFIGURATION.replace("TARGETS", targets))
    (tmp_path / "alerts.yml").write_text(alerts_at_once())
    log = tmp_path / "prometheus.log"
    address = f"{GATEWAY}:9090"
    command = (
        str(prometheus_programs / "prometheus"),
        f"--config.file={configuration}",
        f"--storage.tsdb.path={tmp_path / 'data'}",
        f"--web.listen-address={address}",
    )
    with log.open("wb") as file:
        process = watched.network.popen(
            *command, stdin=subprocess.DEVNULL, stdout=file, stderr=file
        )
    with process:
        try:
            found = Prometheus(address, log, watched.network.enter)
            found.wait(found.is_ready)
            yield found
        finally:
            process.kill()


def tell(fleet: Fleet) -> None:
    """Have all hosts write their figures anew."""
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda host: host.systemctl("start", "sockets-prom.service"), fleet.hosts))


def by_host(prometheus: Prometheus, query: str) -> dict[str, float]:
    """Return a value for each address."""
    return {labels["instance"].partition(":")[0]: value for labels, value in prometheus.ask(query)}


def test_haproxy_and_we_count_the_same(
    watched: Fleet, prometheus: Prometheus, front: Balancer
) -> None:
    """Each connection that HAProxy has led to a host is one that the host has accepted."""
    for name in ("each", "shared"):
        for _ in range(VISITS):
            words = ("socat", "-t", "60", "-", f"TCP:{GATEWAY}:{PORTS[name]}")
            done = subprocess.run(
                watched.network.enter(*words), input=b"hello", capture_output=True, check=True
            )
            assert b"hello" == done.stdout
    rows = front.rows()
    led = {name: sessions(rows, watched, name) for name in ("each", "shared")}
    assert VISITS == sum(led["each"].values()) == sum(led["shared"].values())
    tell(watched)
    query = 'activator_socket_accepted_total{socket="each.socket"}'
    prometheus.wait(
        lambda: led["each"] == by_host(prometheus, query), lambda: by_host(prometheus, query)
    )
    scraped = 'haproxy_server_sessions_total{proxy="each"}'
    names = {host.suite: host.address for host in watched.hosts}

    def same() -> bool:
        told = prometheus.ask(scraped)
        return led["each"] == {names[labels["server"]]: value for labels, value in told}

    prometheus.wait(same, lambda: prometheus.ask(scraped))
    for host in watched.hosts:
        number = led["shared"][host.address]
        said = f"ready: 0 open, {number:g} accepted"
        host.wait_for(partial(says, host, "shared.service", said), said)


def sessions(rows: dict[str, dict[str, str]], fleet: Fleet, name: str) -> dict[str, float]:
    """Return how many connections HAProxy has led to each address."""
    return {host.address: float(rows[f"{name}/{host.suite}"]["stot"]) for host in fleet.hosts}


def says(host: Host, service: str, words: str) -> bool:
    """Tell whether a service says of itself what is expected."""
    return host.show(service, "StatusText") == words


def test_each_alert_fires_of_each_host(watched: Fleet, prometheus: Prometheus) -> None:
    """None of hosts that are well; of ill ones each, and the dashboard has an answer everywhere."""
    instances = {f"{host.address}:{EXPORTER}" for host in watched.hosts}
    names = {rule["name"] for rule in prometheus.rules()}
    refused = 'activator_socket_refused_total{socket="each.socket"}'
    prometheus.wait(lambda: len(prometheus.ask(refused)) == len(instances))
    prometheus.wait(lambda: all(rule["health"] == "ok" for rule in prometheus.rules()))
    # Of sockets of the distribution, some are loaded, and listen on no host.
    ours = "|".join(f"{name}.socket" for name in SPECS)
    assert [] == prometheus.ask(f'ALERTS{{socket=~"{ours}"}}')
    assert [] == [one for one in prometheus.ask("node_textfile_scrape_error") if one[1]]

    wanted = {(name, instance) for name in names for instance in instances}
    with ExitStack() as stack:
        with ThreadPoolExecutor() as pool:
            list(pool.map(partial(fall_ill, stack), watched.hosts))
        tell(watched)
        first = wanted - {one for one in wanted if one[0] == "SocketFiguresAreStale"}
        prometheus.wait(lambda: first <= firing(prometheus), lambda: first - firing(prometheus))
        empty = [query for query in queries() if not prometheus.ask(query)]
        assert [] == empty
        for host in watched.hosts:
            host.run("touch", "--date=1 hour ago", f"{TEXTS}/sockets.prom")
        prometheus.wait(lambda: wanted <= firing(prometheus), lambda: wanted - firing(prometheus))


def firing(prometheus: Prometheus) -> set[tuple[str, str]]:
    """Return which alerts fire, of which instance."""
    ours = "|".join(f"{name}.socket" for name in SPECS)
    told = prometheus.ask(f'ALERTS{{alertstate="firing", socket=~"{ours}|"}}')
    return {(labels["alertname"], labels["instance"]) for labels, _ in told}


def fall_ill(stack: ExitStack, host: Host) -> None:
    """Have all go wrong on a host that an alert is for, until the stack ends."""
    # One more than are let in; and more than the queue takes of a service that never accepts.
    stack.enter_context(host.connected(f"TCP:127.0.0.1:{PORTS['each']}", BUSY))
    host.wait_for(lambda: host.show("each.socket", "NConnections") == str(BUSY), "connections")
    stack.enter_context(host.connected(f"TCP:127.0.0.1:{PORTS['each']}", 1))
    host.wait_for(lambda: host.show("each.socket", "NRefused") != "0", "a refusal")
    stack.enter_context(host.connected(f"TCP:127.0.0.1:{PORTS['full']}", 2 * BUSY))
    # Each client starts the service once more, which ends; then systemd gives the socket up.
    while host.show("fails.socket", "ActiveState") != "failed":
        address = f"TCP:127.0.0.1:{PORTS['fails']}"
        host.run("socat", "-u", "OPEN:/dev/null", address, check=False)
    host.systemctl("start", "ends.service")
    for _ in range(4):
        before = host.show("ends.service", "MainPID")
        host.systemctl("kill", "--signal=KILL", "ends.service")
        host.wait_for(partial(is_replaced, host, before), "another process")


def is_replaced(host: Host, before: str) -> bool:
    """Tell whether the service that ends has another main process."""
    return host.show("ends.service", "MainPID") not in ("0", before)
