"""Long runs under load, on the oldest and the newest booted systemd: nothing is lost.

Their short forms are in test_lossless_boxes.py and test_activation_boxes.py.
"""

import pytest

from tests.boxes import loads
from tests.boxes.box import Box

pytestmark = [pytest.mark.stress, pytest.mark.usefixtures("end_box")]


@pytest.mark.parametrize("sort", loads.SHARED)
def test_twenty_restarts(box: Box, sort: str) -> None:
    """100 clients and twenty restarts: none is refused, cut short or left without an answer."""
    with loads.serving(box, loads.SHARED[sort]):
        loads.under_load(box, 100, 20, "restart", loads.SERVICE)


@pytest.mark.parametrize("sort", loads.HAND_OVER)
def test_twenty_reloads(box: Box, sort: str) -> None:
    """The same with hand-overs, which clients do not even feel: answers come nearly as fast."""
    with loads.serving(box, loads.HAND_OVER[sort]):
        main = box.show(loads.SERVICE, "MainPID")
        # Others use the machine, too: what holds once is not in the way of the clients.
        for _ in range(3):
            p99 = loads.under_load(box, 100, 20, "reload", loads.SERVICE).p99
            print(f"{box.suite} {sort}: p99 {p99}")  # noqa: T201 - for who looks with -s
            if p99["busy"] <= 3 * p99["quiet"]:
                break
        else:
            pytest.fail(f"each time clients waited longer than usual, last: {p99}")
        assert main in ("0", box.show(loads.SERVICE, "MainPID"))


@pytest.mark.parametrize("sort", loads.SHARED)
def test_idle_exit(box: Box, sort: str) -> None:
    """Of 20,000 clients that come when the service is about to leave, none is lost."""
    number = 20_000 if sort == "async" else 2_000
    with loads.serving(box, loads.SHARED[sort] + 'idle-exit = "50ms"\n'):
        assert {"served": number} == loads.script(box, "arrivals", number, 50, 0.05)


@pytest.mark.parametrize("sort", ["async", "workers", "warm"])
def test_kills(box: Box, sort: str) -> None:
    """SIGKILL each second for 30 seconds: what was in flight fails, and nobody is refused."""
    with loads.serving(box, loads.SHARED[sort], service=loads.QUICK):
        counts = loads.kill_over_and_over(box, 50, 30, 1.0)
    # In flight is at most one conversation of each client at each kill.
    assert counts.pop("cut", 0) + counts.pop("unanswered", 0) <= 30 * 50
    assert ["served"] == list(counts)


def test_kills_of_instances(box: Box) -> None:
    """The same with Accept=yes, where each conversation has its own process to lose."""
    with loads.serving(box, loads.ASYNC + loads.EACH):
        counts = loads.kill_over_and_over(box, 4, 10, 1.0, "load@*.service")
    assert counts.pop("cut", 0) + counts.pop("unanswered", 0) <= 10 * 4
    assert ["served"] == list(counts)


@pytest.mark.parametrize("sort", loads.SHARED)
def test_few_descriptors(box: Box, sort: str) -> None:
    """64 descriptors and 500 clients: all answered in the end, and waiting costs little."""
    with loads.serving(box, loads.SHARED[sort], service="LimitNOFILE = 64\n"):
        counts, most, busy = loads.crowd(box, 500, 3)
    print(f"{box.suite} {sort}: at most {most}, busy {busy:.3f}")  # noqa: T201 - the same
    assert {"served": 500} == counts
    assert busy < 0.1


@pytest.mark.parametrize("sort", loads.SHARED)
def test_short_connections(box: Box, sort: str) -> None:
    """100,000, a third of them reset at random points: nothing of them is left."""
    with loads.serving(box, loads.SHARED[sort]):
        loads.script(box, "churn", 1000, 40)
        before = loads.at_rest(box)
        counts = loads.script(box, "churn", 100_000 if sort == "async" else 20_000, 40)
        after = loads.kept(box, before)
    print(f"{box.suite} {sort}: {before} {after}")  # noqa: T201 - the same
    assert {"served", "left"} == set(counts)


@pytest.mark.parametrize("sort", loads.SHARED)
def test_managers_own_restart(box: Box, sort: str) -> None:
    """daemon-reload and daemon-reexec under load, ten times each, go unnoticed."""
    with loads.serving(box, loads.SHARED[sort]):
        loads.under_load(box, 50, 10, "daemon-reload")
        loads.under_load(box, 50, 10, "daemon-reexec")


def test_managers_own_restart_with_instances(box: Box) -> None:
    """The same with Accept=yes."""
    with loads.serving(box, loads.ASYNC + loads.EACH):
        loads.under_load(box, 4, 5, "daemon-reload")
        loads.under_load(box, 4, 5, "daemon-reexec")
