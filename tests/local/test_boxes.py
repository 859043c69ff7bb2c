"""The local activator against systemd itself: the same units, the same clients, one view.

Both run in a box, one after the other. Whatever a service can see of its descriptors, its
environment and itself, and the order in which its commands run, must be the same, but for the
few things that differ by design: DIFFERENT, and the list in docs/local.md.
"""

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

from tests.boxes.box import UNITS, Box
from tests.support.pair import DIRECTORY, WITNESS, Pair
from tests.support.pairs import PAIRS

pytestmark = pytest.mark.each_systemd

INSIDE = Path(__file__).parents[1] / "boxes" / "inside"
PATIENCE = 120.0
# Set by the one who starts the service about itself; not part of the agreement.
OWN = {
    "INVOCATION_ID",
    "JOURNAL_STREAM",
    "LISTEN_PID",
    "LISTEN_PIDFDID",
    "MAINPID",
    "MAINPIDFDID",
    "MEMORY_PRESSURE_WATCH",
    "MEMORY_PRESSURE_WRITE",
    "NOTIFY_SOCKET",
    "PATH",
    "SO_COOKIE",
    "SYSTEMD_EXEC_PID",
    "WATCHDOG_PID",
}
# The login's variables: systemd sets more of them from 255 on, and with User= all.
# What systemd does since 257, and the local activator with it: pair → where 252 differs.
SINCE_257 = {
    "each-unix": {"environ.LISTEN_FDNAMES", "names.3"},
    "each-bound": {"environ.REMOTE_ADDR"},
    "each-seq": {"environ.REMOTE_ADDR"},
    "store": {"environ.FDSTORE"},
    "sees": {f"log.{number}.environ.FDSTORE" for number in range(5)},
}
LOGIN = {"HOME", "LOGNAME", "SHELL", "USER"}
# Stops all services in one go, as a shutdown does: in their order.
ALL = "pair-all.target"
Seen = dict[str, tuple[Any, Any]]


@pytest.fixture(scope="module")
def seen(box: Box) -> Seen:
    """Return what clients and logs tell of each pair: under systemd, and under ourselves."""
    pairs = [pair for pair in PAIRS if pair.since <= box.version]
    box.write(WITNESS, (INSIDE / "witness.py").read_text(encoding="utf-8"))
    units = {name: text for pair in pairs for name, text in pair.units.items()}
    sockets = [name for name in units if name.endswith(".socket")]
    services = [name for name in units if name.endswith(".service")]
    plain = [name for name in services if "@." not in name]
    with box.units(units | {ALL: f"[Unit]\nPropagatesStopTo={' '.join(plain)}\n"}):
        prepare(box, pairs)
        start(box, [*sockets, ALL])
        theirs = visit(box, pairs)
        box.systemctl("stop", *sockets)
        box.systemctl("stop", ALL)
        box.systemctl("stop", *(name.replace("@.", "@*.") for name in services))
        theirs_logs = logs(box, pairs)
        prepare(box, pairs)
        with activated(box, [str(UNITS / name) for name in sockets]):
            ours = visit(box, pairs)
        ours_logs = logs(box, pairs)
    return {
        pair.name: (
            comparable(pair, theirs[pair.name], theirs_logs),
            comparable(pair, ours[pair.name], ours_logs),
        )
        for pair in pairs
    }


def prepare(box: Box, pairs: list[Pair]) -> None:
    """Make everything as it was before any activator ran."""
    box.run(
        "sh",
        "-c",
        f"rm -rf {DIRECTORY} /run/pair-* /var/*/pair-* /var/lib/private/pair-* /etc/pair-*;"
        f" mkdir -m 755 {DIRECTORY}; chmod 755 /root; rm -f /dev/mqueue/pair-*",
    )
    for pair in pairs:
        for path, text in pair.files.items():
            box.write(path, text)


def start(box: Box, sockets: list[str]) -> None:
    """Start sockets, and tell which of them could not be."""
    if box.systemctl("start", *sockets, check=False).returncode:
        words = box.systemctl("--failed", "--plain", "--no-legend").stdout.splitlines()
        failed = [line.split()[0] for line in words]
        raise AssertionError({name: box.journal(name) for name in failed})


def visit(box: Box, pairs: list[Pair]) -> dict[str, Any]:
    """Visit every pair in the box."""
    script = (INSIDE / "visit.py").read_text(encoding="utf-8")
    visits = json.dumps([pair.visit for pair in pairs])
    done = box.run("python3", "-c", script, input=visits, timeout=600)
    answers: dict[str, Any] = json.loads(done.stdout)
    return answers


def logs(box: Box, pairs: list[Pair]) -> dict[str, list[str]]:
    """Return the lines of every log."""
    text = box.run("sh", "-c", f"cd {DIRECTORY} && grep '' -- *.log /dev/null").stdout
    found: dict[str, list[str]] = {pair.name: [] for pair in pairs}
    for line in text.splitlines():
        name, _, rest = line.partition(".log:")
        found[name].append(rest)
    return found


@contextmanager
def activated(box: Box, files: list[str]) -> Iterator[None]:
    """Run sockets with the local activator."""
    with tempfile.TemporaryFile("w+") as log:  # a pipe that nobody reads would stop it
        streams = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
        command = ("setpriv", *lacking(box), "activator", "run")
        process = box.popen(*command, "--log", "json", *files, **streams)
        try:
            box.wait_for(
                lambda: '"kind": "open"' in text_of(log) or process.poll(), "open", PATIENCE
            )
            assert process.poll() is None, text_of(log)
            yield
        finally:
            process.terminate()
            process.wait(PATIENCE)
        assert process.returncode == 0, text_of(log)


def lacking(box: Box) -> list[str]:
    """Return the words for setpriv(1) to have no more capabilities than the box's systemd."""
    (line,) = re.findall(r"^CapBnd:\s*(\w+)$", box.read("/proc/1/status"), re.MULTILINE)
    last = int(box.read("/proc/sys/kernel/cap_last_cap"))
    gone = [f"-cap_{each}" for each in range(last + 1) if not int(line, 16) >> each & 1]
    return [f"--bounding-set={','.join(gone)}", "--inh-caps=-all"]


def text_of(log: IO[str]) -> str:
    """Return what a file holds, which somebody else writes."""
    return os.pread(log.fileno(), 1 << 24, 0).decode()


def comparable(pair: Pair, facts: Any, lines: dict[str, list[str]]) -> Any:
    """Return facts without what differs from run to run, or by design."""
    if pair.name == "more-sockets":
        return sorted(facts["names"].values())  # systemd leaves the order open
    log = [cleaned(pair, json.loads(x)) if x[:1] == "{" else x for x in lines[pair.name]]
    return (cleaned(pair, facts) if isinstance(facts, dict) else {"answer": facts}) | {"log": log}


def cleaned(pair: Pair, facts: Any) -> dict[str, Any]:
    """Return what a process has seen without what differs from run to run, or by design."""
    user = any(name in pair.service for name in ("User=", "PassEnvironment=", "words"))
    own = OWN if user else OWN | LOGIN
    facts["environ"] = {k: v for k, v in facts["environ"].items() if k not in own}
    for name in set(facts["environ"]) & LOGIN if "User=" not in pair.service else ():
        del facts["environ"][name]
    for fd in facts["fds"].values():
        if "NETLINK" in fd["kind"]:
            del fd["name"]  # the kernel's choice
    for number in ("0", "1", "2"):
        # A pipe here, the journal's socket there.
        fd = facts["fds"][number]
        journal = fd["kind"] == "AF_UNIX SOCK_STREAM 0" and fd["name"] == "''"
        if number != "0" and (fd["kind"] == "fifo" or journal):
            facts["fds"][number] = "journal"
    compare_privileges(pair, facts)
    named = set(re.findall(r"^Limit([A-Z]+)=", pair.service, re.MULTILINE)) | {"NOFILE"}
    if "ExecStart=+" in pair.service:
        del facts["limits"]["NOFILE"]  # then it is the activator's own
    facts["limits"] = {name: facts["limits"][name] for name in named & facts["limits"].keys()}
    return dict(facts)


def compare_privileges(pair: Pair, facts: Any) -> None:
    """Leave out the capabilities that are the activator's own."""
    if "AmbientCapabilities=" not in pair.service:
        del facts["privileges"]["CapInh"]  # what the container has given to systemd


def differences(theirs: Any, ours: Any, where: str = "") -> list[str]:
    """Return the places in nested facts that differ, with both values, theirs first."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        keys = sorted(theirs.keys() | ours.keys())
        pairs = [(key, theirs.get(key), ours.get(key)) for key in keys]
    elif isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        pairs = [(str(n), *pair) for n, pair in enumerate(zip(theirs, ours, strict=True))]
    else:
        return [] if theirs == ours else [f"{where}: {theirs!r} != {ours!r}"]
    found: list[str] = []
    for key, one, other in pairs:
        found += differences(one, other, f"{where}.{key}" if where else key)
    return found


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.name)
def test_same(box: Box, seen: Seen, pair: Pair) -> None:
    """What a service sees, and the order of its commands, are the same."""
    if pair.name not in seen:
        pytest.skip(f"systemd knows it from {pair.since} on")
    theirs, ours = seen[pair.name]
    assert not isinstance(theirs.get("answer") if isinstance(theirs, dict) else None, str)
    newer = SINCE_257.get(pair.name, set()) if box.version < 257 else set()
    found = [each for each in differences(theirs, ours) if each.partition(": ")[0] not in newer]

    assert "\n".join(found) == ""
