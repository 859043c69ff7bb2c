"""What happens to a service while its clients come: crashes, restarts, idleness, new code."""

import signal
import time

from activator.cli.demo import generating
from activator.cli.demo.clients import Crowd, ask
from activator.cli.demo.generating import HANDLER, UNIT, spec
from activator.cli.demo.stage import Stage, end_of, kill
from activator.common.extras import installing

CLIENTS = 8  # side by side
QUEUED = 50
RESTARTS = 3
BETWEEN = 200  # answers between two restarts


def crash(stage: Stage) -> None:
    """Kill the service with clients coming, and restart it under load."""
    stage.have(UNIT, generating.act)
    with stage.run(UNIT) as run:
        address = run.addresses[0]
        ask(address)
        first = run.wait_for("started")["pid"]
        stage.typed(f"kill -KILL {first}    # and at once {QUEUED} clients connect")
        kill(first, signal.SIGKILL)
        with Crowd(address, QUEUED, once=True) as crowd:
            end_of(run, first)
            second = run.wait_for("started", count=2)["pid"]
        _nobody_lost(stage, crowd)
        stage.text(f"they waited {crowd.slowest * 1000:.0f} ms at most, for process {second}")
        stage.step(f"{CLIENTS} clients at a time, as fast as they are answered")
        with Crowd(address, CLIENTS) as crowd:
            for _ in range(RESTARTS):
                crowd.wait_for_more(BETWEEN)
                stage.control("restart", "hello")
            crowd.wait_for_more(BETWEEN)
        _nobody_lost(stage, crowd)
        run.wait_for("started", count=2 + RESTARTS)
        processes = len(run.pids) - 1
        stage.expect(processes == RESTARTS + 1, f"{processes} processes have served them")
        stage.text(
            f"{RESTARTS} restarts, {processes} processes, "
            f"slowest answer {crowd.slowest * 1000:.0f} ms"
        )


def idle(stage: Stage) -> None:
    """Let a service end by itself, and the next client start it again."""
    stage.have(UNIT, generating.act)
    text = spec(stage, "hello-idle", "shared", 7779, 'idle-exit = "300ms"\n')
    stage.write("hello-idle.toml", text)
    stage.text('hello-idle.toml is hello.toml with idle-exit = "300ms"')
    with stage.run("hello-idle.toml") as run:
        for number in (1, 2):
            stage.step(f"client {number}")
            stage.text(repr(ask(run.addresses[0])))
            pid = run.wait_for("started", count=number)["pid"]
            start = time.monotonic()
            ended = run.wait_for("ended", count=number)
            took = time.monotonic() - start
            stage.expect((pid, 0) == (ended["pid"], ended["status"]), f"it has ended: {ended}")
            stage.text(f"process {pid} was started, and has ended {took * 1000:.0f} ms later")
        stage.expect(len(set(run.pids)) == len(run.pids), "one process came twice")


def reload(stage: Stage) -> None:
    """Change the code of a service under load."""
    try:
        import watchfiles  # noqa: F401 - an extra
    except ImportError:
        stage.text(f"not shown: --reload needs watchfiles; {installing('reload')}")
        return
    stage.have(UNIT, generating.act)
    with stage.run("hello.toml", "--reload") as run:
        address = run.addresses[0]
        before = ask(address)
        stage.text(repr(before))
        with Crowd(address, CLIENTS) as crowd:
            crowd.wait_for_more(BETWEEN)
            stage.write("hello.py", HANDLER.replace("Hello", "Good evening"))
            stage.step("hello.py is changed, while clients come: Hello becomes Good evening")
            run.wait_for("changed", "hello.py")
            run.wait_for("started", count=2)
            crowd.wait_for_more(BETWEEN)
        after = ask(address)
        stage.expect(before != after, f"the answer is still {after!r}")
        _nobody_lost(stage, crowd)
        stage.expect({before, after} == set(crowd.answers), f"answers were {crowd.answers}")
        stage.text(f"{crowd.answers[before]} {before!r}, {crowd.answers[after]} {after!r}")


def _nobody_lost(stage: Stage, crowd: Crowd) -> None:
    """Say how many clients were answered, which must be all of them."""
    lost = len(crowd.lost)
    stage.expect(not lost, f"{lost} of {lost + crowd.answered} clients were lost: {crowd.lost[:1]}")
    stage.text(f"{crowd.answered} clients answered, {lost} lost")
