"""Debian's Prometheus and node_exporter, and how the one is asked."""

import json
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.support.tree import ROOT

PACKAGES = ("prometheus", "prometheus-node-exporter")
PATIENCE = 120.0
ALERTS = ROOT / "docs/alerts.yml"
DASHBOARD = ROOT / "docs/grafana.json"
T = TypeVar("T")
Enter = Callable[..., list[str]]
Series = list[tuple[dict[str, str], float]]


@pytest.fixture(scope="session")
def prometheus_programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
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


def alerts_at_once() -> str:
    """Return the alerts as they are, but without the patience."""
    return re.sub(r"^ +for: .*\n", "", ALERTS.read_text(), flags=re.MULTILINE)


def queries(instance: str = ".*") -> list[str]:
    """Return the queries of the dashboard, as they are for some instances."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    texts = [target["expr"] for panel in panels for target in panel["targets"]]
    return [text.replace("$__rate_interval", "1m").replace("$instance", instance) for text in texts]


class Prometheus:
    """A Prometheus that runs.

    Args:
        address: Where it answers.
        log: What it writes.
        enter: What makes of a command's words those that run it where the address is.
    """

    def __init__(self, address: str, log: Path, enter: Enter = lambda *argv: list(argv)) -> None:
        self.address = address
        self._log = log
        self._enter = enter

    def get(self, path: str, **query: str) -> str:
        """Return what it answers; nothing where it does not."""
        words = ["curl", "--silent", "--fail", "--max-time", str(PATIENCE), "--get"]
        for name, value in query.items():
            words += ["--data-urlencode", f"{name}={value}"]
        words = self._enter(*words, f"http://{self.address}{path}")
        return subprocess.run(words, capture_output=True, text=True, check=False).stdout

    def is_ready(self) -> bool:
        """Tell whether it answers."""
        return bool(self.get("/-/ready"))

    def ask(self, query: str) -> Series:
        """Return the series of a query, with their labels."""
        told = json.loads(self.get("/api/v1/query", query=query))
        assert "success" == told["status"], told
        return [(one["metric"], float(one["value"][1])) for one in told["data"]["result"]]

    def rules(self) -> list[dict[str, Any]]:
        """Return what it knows of its rules."""
        (group,) = json.loads(self.get("/api/v1/rules"))["data"]["groups"]
        found: list[dict[str, Any]] = group["rules"]
        return found

    def wait(self, look: Callable[[], T], tell: Callable[[], object] = str) -> T:
        """Wait until something is there; return it.

        Args:
            look: What looks for it.
            tell: What tells how far it has come, should it not be there in time.
        """
        end = time.monotonic() + PATIENCE
        while not (found := look()):
            assert time.monotonic() < end, f"{tell()}\n{self._log.read_text()}"
            time.sleep(0.1)
        return found
