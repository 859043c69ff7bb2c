"""Jobs of very many units: as many steps as there are units, and a signal is always obeyed."""

import asyncio
import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from activator.local.jobs import Jobs
from activator.local.relations import Relations
from activator.local.services.states import ROWS, State
from activator.local.units.service_model import Relations as Named
from tests.support.local import Activate, write_units

MANY = 10_000
CHAINED = 400
# Seconds of a processor, for what takes minutes where each unit looks at all others.
ENOUGH = 20.0


class Fake:
    """A service without a process: it is up as soon as it is started."""

    refusal = None
    skipped = False

    def __init__(self, name: str, relations: Named, changed: Any) -> None:
        self.unit = SimpleNamespace(name=name, relations=relations, type="simple")
        self.state = State.DEAD
        self._changed = changed

    @property
    def activity(self) -> str:
        """Return systemd's ActiveState."""
        return ROWS[self.state].activity

    def start(self) -> None:
        """Be up."""
        self._be(State.RUNNING)

    def stop(self, *, restart: bool = False) -> None:
        """Be down."""
        del restart
        self._be(State.DEAD)

    def _be(self, state: State) -> None:
        before, self.state = self.state, state
        self._changed(self, before)


def named(shape: str, number: int) -> Named:
    """Return the relations of a unit, by what the relations of all look like."""
    if shape == "chain":
        nexts = (f"u{number + 1}",) if number + 1 < MANY else ()
        return Named(requires=nexts, after=nexts)
    if shape == "hub":
        others = tuple(f"u{n}" for n in range(1, MANY)) if number == 0 else ()
        return Named(wants=others, after=others)
    if shape == "part-of":
        return Named(part_of=("u0",) if number else (), before=("u0",) if number else ())
    if shape == "unneeded":
        nexts = (f"u{number + 1}",) if number + 1 < MANY else ()
        return Named(requires=nexts, after=nexts, stop_when_unneeded=number > 0)
    nexts = (f"u{number + 1}",) if number + 1 < MANY else ()
    return Named(upholds=nexts, binds_to=nexts, after=nexts)


@pytest.mark.parametrize("shape", ["chain", "hub", "part-of", "unneeded", "upheld"])
def test_many_units(shape: str) -> None:
    """Ten thousand units start and stop in seconds, whatever they have to do with each other."""

    async def run() -> tuple[int, int, bool]:
        services: dict[str, Any] = {}
        relations = Relations()
        jobs = Jobs(services, relations, lambda *_: None)
        for number in range(MANY):
            name = f"u{number}"
            services[name] = Fake(name, named(shape, number), jobs.changed)
            relations.set(name, services[name].unit.relations)
        jobs.start("u0")
        await asyncio.sleep(0)
        up = sum(each.state is State.RUNNING for each in services.values())
        jobs.stop(*services)
        await asyncio.sleep(0)
        left = sum(each.state is State.RUNNING for each in services.values())
        return up, left, any(map(jobs.waits, services))

    begin = time.process_time()
    up, left, waits = asyncio.run(run())

    assert (1 if shape == "part-of" else MANY, 0, False) == (up, left, waits)
    assert time.process_time() - begin < ENOUGH


def test_chain_ends(tmp_path: Path, activate: Activate) -> None:
    """A chain of units that require each other ends at once when it is told to."""
    units = {"u0.socket": f"[Socket]\nListenStream={tmp_path}/u0\n"}
    for number in range(CHAINED):
        name = f"u{number + 1}.service"
        after = f"[Unit]\nRequires={name}\nAfter={name}\n" if number + 1 < CHAINED else ""
        units[f"u{number}.service"] = (
            f"{after}[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n"
        )
    write_units(tmp_path, units)
    running = activate(str(tmp_path / "u0.socket"), "--now")
    running.until(r"^u0\[\d+\]: ")
    begin = used(running.process.pid)

    before = ended()
    assert running.stop() == 0
    assert ended() - before - begin < ENOUGH / 4


def used(pid: int) -> float:
    """Return the seconds of a processor that a process has used, with its children that ended."""
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return sum(map(int, stat[11:15])) / os.sysconf("SC_CLK_TCK")


def ended() -> float:
    """Return the same for all our own children that have ended."""
    times = os.times()
    return times.children_user + times.children_system
