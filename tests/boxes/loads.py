"""Services of each sort under load in a box, and what their clients have seen."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from activator.generate import specfile
from tests.boxes.box import UNITS, Box, BoxError, Inside

INSIDE = Path(__file__).with_name("inside")
ADDRESS = "127.0.0.1:7780"
SERVICE = "load.service"
ASYNC = 'handler = "activator.examples.echo:echo"\n'
PLAIN = 'handler = "plain:echo"\napp-dir = "/srv/load"\n'
EACH = 'mode = "per-connection"\n'
WARM = EACH + 'isolation = "process"\n'
# Restarts at a pace for clients that wait through many kills.
QUICK = 'RestartSec = "250ms"\n'
# The sorts of services → the keys of their specs.
SHARED = {
    "async": ASYNC,
    "threads": PLAIN,
    "workers": ASYNC + "workers = 2\n",
    "warm": ASYNC + WARM,
}
HAND_OVER = {
    "async": ASYNC + "hand-over = true\n",
    "threads": PLAIN + "hand-over = true\n",
    "workers": ASYNC + "workers = 2\n",
    "warm": ASYNC + WARM + "hand-over = true\n",
}
MODULE = """\
def echo(sock):
    while data := sock.recv(65536):
        sock.sendall(data)
"""


@contextmanager
def serving(box: Box, keys: str, socket: str = "", service: str = "") -> Iterator[None]:
    """Have a service listen in the body.

    Args:
        box: Where.
        keys: Keys of its spec.
        socket: Directives of its socket, in TOML.
        service: Directives of its service.
    """
    text = (
        f'name = "load"\npython = "{box.python}"\n{keys}[sockets.load]\n'
        f'ListenStream = "{ADDRESS}"\n{socket}[service]\n{service}'
    )
    box.write("/srv/load/plain.py", MODULE)
    box.write("/root/load.toml", text)
    name = specfile.loads(text).name
    paths = box.run("activator", "gen", f"/root/{name}.toml", "-o", str(UNITS)).stdout.split()
    with box.units({path.rpartition("/")[2]: box.read(path) for path in paths}):
        box.systemctl("start", "load.socket")
        try:
            yield
        finally:
            box.run("rm", "-rf", "/srv/load")
        assert "active" == box.show("load.socket", "ActiveState")
        # From its last start on; what a test before has left is that test's.
        said = box.journal("load*").rpartition("Listening on load.socket")[2]
        assert "Traceback" not in said, said


class Clients:
    """Clients that talk all the while, see ``inside/clients.py``.

    Args:
        process: What runs them.
    """

    def __init__(self, process: Inside) -> None:
        self._process = process
        self.p99: dict[str, float] = {}

    def _hear(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline().strip()

    def ready(self) -> None:
        """Wait until every client has had an answer."""
        assert "ready" == self._hear()

    def phase(self, name: str) -> None:
        """Measure for another phase from now on."""
        assert self._process.stdin
        self._process.stdin.write(f"{name}\n")
        self._process.stdin.flush()
        assert "ok" == self._hear()

    def served(self) -> int:
        """Return how many conversations have been served so far."""
        return served(self._process)

    def end(self) -> dict[str, int]:
        """Have them end, and return how many conversations ended in each way."""
        result = ended(self._process)
        self.p99 = result["p99"]
        counts: dict[str, int] = result["counts"]
        return counts


def served(process: Inside) -> int:
    """Ask clients how often they have been served so far."""
    assert process.stdin
    assert process.stdout
    process.stdin.write("served\n")
    process.stdin.flush()
    return int(process.stdout.readline())


def ended(process: Inside) -> Any:
    """Stop clients by the end of their input, and return what they print last."""
    output, errors = process.communicate(timeout=300)
    assert 0 == process.returncode, errors
    return json.loads(output.splitlines()[-1])


@contextmanager
def clients(box: Box, number: int, address: str = ADDRESS) -> Iterator[Clients]:
    """Have clients talk to an echo service in the body."""
    box.write("/root/clients.py", (INSIDE / "clients.py").read_text())
    with box.popen(box.python, "/root/clients.py", address, str(number)) as process:
        try:
            found = Clients(process)
            found.ready()
            yield found
        finally:
            process.kill()


def script(box: Box, name: str, *arguments: object, timeout: float = 600) -> Any:
    """Run one of the scripts that end by themselves; return what it printed."""
    box.write(f"/root/{name}.py", (INSIDE / f"{name}.py").read_text())
    words = (ADDRESS, *map(str, arguments))
    return json.loads(box.run(box.python, f"/root/{name}.py", *words, timeout=timeout).stdout)


def under_load(box: Box, number: int, times: int, *command: str) -> Clients:
    """Run systemctl so many times while clients talk; nothing may be lost."""
    with clients(box, number) as talking:
        talking.phase("quiet")
        sleep(times / 4)
        talking.phase("busy")
        for _ in range(times):
            box.run("systemctl", *command, timeout=120)
        counts = talking.end()
    assert ["served"] == list(counts), counts
    assert counts["served"] >= number
    return talking


def kill_over_and_over(
    box: Box, number: int, times: int, interval: float, unit: str = SERVICE
) -> dict[str, int]:
    """Kill a service with all its processes so many times; return what clients have seen.

    Each main process gets the interval, in seconds, to start and serve before it is killed.
    """
    with clients(box, number) as talking:
        for _ in range(times):
            before = box.show(unit, "MainPID") if "*" not in unit else ""
            # Of the instances that a pattern stands for, some may just have ended.
            box.systemctl("kill", "--signal=KILL", unit, check=bool(before))
            if before:
                box.wait_for(partial(replaced, box, before), "another main process")
            sleep(interval)
        return talking.end()


def replaced(box: Box, before: str) -> bool:
    """Tell whether the service has another main process."""
    return box.show(SERVICE, "MainPID") not in ("0", before)


def crowd(box: Box, number: int, stay: float) -> tuple[dict[str, int], int, float]:
    """Send more clients than there is room for.

    Args:
        box: Where.
        number: How many.
        stay: How long each stays, in seconds.

    Returns:
        How they ended, how many were answered and had not left at most, and the part of its
        time that the service kept a processor busy while nobody came or went.
    """
    box.write("/root/crowd.py", (INSIDE / "crowd.py").read_text())
    with box.popen(box.python, "/root/crowd.py", ADDRESS, str(number), str(stay)) as process:
        assert process.stdout
        assert "full\n" == process.stdout.readline()
        # Some may still have been on their way in; who waits in a loop does so at all times.
        busy = min(busyness(box, stay / 8) for _ in range(3))
        output, errors = process.communicate(timeout=600)
        assert 0 == process.returncode, errors
    result = json.loads(output)
    return result["counts"], result["most"], busy


def busyness(box: Box, seconds: float) -> float:
    """Return the part of a time that the service keeps a processor busy."""
    start, before = monotonic(), processor_time(box)
    sleep(seconds)
    return (processor_time(box) - before) / (monotonic() - start)


def processor_time(box: Box) -> float:
    """Return how long the service has kept a processor busy, in seconds."""
    return int(box.show(SERVICE, "CPUUsageNSec")) / 1e9


def kept(box: Box, before: dict[str, int]) -> dict[str, int]:
    """Wait until nothing of many connections is left; return what the service has."""
    looks: list[dict[str, int]] = []

    def gone() -> bool:
        looks.append(belongings(box))
        return not grown(before, looks[-1])

    try:
        box.wait_for(gone)
    except BoxError:
        raise AssertionError((before, looks[-1])) from None
    return looks[-1]


def grown(before: dict[str, int], after: dict[str, int]) -> bool:
    """Tell whether the processes of a service have more than before, or other things."""
    # The collector of cycles comes when it likes; 100 bytes of each of 100,000 would be more.
    if after["memory"] > 1.1 * before["memory"] + 8000 * before["processes"]:
        return True
    # Threads are started when they are needed, and kept: up to the default of --threads.
    more = 64 if before["threads"] > before["processes"] else 0
    threads = before["processes"] + more if more else before["threads"]
    same = all(before[name] == after[name] for name in ("processes", "descriptors"))
    return not same or after["threads"] > threads or (not more and after["threads"] < threads)


# Tells what the processes of a cgroup have; one that ends meanwhile has nothing.
BELONGINGS = """
import json, os, sys
found = dict.fromkeys(("processes", "descriptors", "threads", "memory"), 0)
for pid in open(f"/sys/fs/cgroup{sys.argv[1]}/cgroup.procs").read().split():
    try:
        status = dict(line.split(":", 1) for line in open(f"/proc/{pid}/status") if ":" in line)
        numbers = len(os.listdir(f"/proc/{pid}/fd")), status["Threads"], status["VmRSS"].split()[0]
    except (OSError, KeyError):
        continue
    for name, number in zip(found, (1, *numbers)):
        found[name] += int(number)
print(json.dumps(found))
"""


def belongings(box: Box) -> dict[str, int]:
    """Return what the processes of the service have: how many, of what, and kB of memory."""
    cgroup = box.show(SERVICE, "ControlGroup")
    found: dict[str, int] = json.loads(box.run(box.python, "-c", BELONGINGS, cgroup).stdout)
    return found


def at_rest(box: Box) -> dict[str, int]:
    """Return the same once the last connections have ended there, too."""
    looks = [belongings(box) | {"memory": 0}]

    def same() -> bool:
        looks.append(belongings(box) | {"memory": 0})
        return looks[-3:] == 3 * looks[-1:]

    box.wait_for(same, "rest")
    return belongings(box)
