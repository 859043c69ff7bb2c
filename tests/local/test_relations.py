"""Services of one run that have to do with each other, and what is asked of them from outside."""

from collections.abc import Callable
from pathlib import Path

import pytest

from activator.local.control import ask as ctl
from tests.support.local import Activate, Running, connect, knock, python, write_units

# Takes its client, says so, and waits for a signal.
STAY = """
    def told(number, _):
        os.write(1, f"got {signal.Signals(number).name}\\n".encode())
        os._exit(0)
    for number in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, told)
    signal.signal(signal.SIGHUP, lambda *_: reload())
    def reload():
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        daemon.notify(f"RELOADING=1\\nMONOTONIC_USEC={now}")
        print("again", flush=True)
        daemon.notify("READY=1")
    daemon.notify("READY=1")
    print("up", flush=True)
    while True:
        accept().close()
    """
Start = Callable[[dict[str, str]], Running]


@pytest.fixture
def start(tmp_path: Path, activate: Activate) -> Start:
    """Return what runs services, each with a socket of its name; COMMAND stands for STAY."""

    def run(services: dict[str, str]) -> Running:
        stay = python(tmp_path, STAY)
        for name, text in services.items():
            write_units(
                tmp_path,
                {
                    f"{name}.socket": f"[Socket]\nListenStream={tmp_path}/{name}\n",
                    f"{name}.service": text.replace("COMMAND", stay),
                },
            )
        sockets = [f"{name}.socket" for name in services]
        running = activate("--control-socket", f"{tmp_path}/ctl", *sockets)
        running.until("listening", count=len(services))
        return running

    return run


def states(directory: Path) -> dict[str, str]:
    """Return each service's ActiveState."""
    rows = ctl(f"{directory}/ctl", "list", [])
    return {
        row["unit"].removesuffix(".service"): row["activity"]
        for row in rows
        if row["unit"].endswith(".service")
    }


def up(running: Running, directory: Path, name: str, count: int = 1) -> None:
    """Visit a service, and wait until it has said so often that it is up."""
    knock(f"{directory}/{name}")
    running.until(rf"^{name}\[\d+\] \| up$", count=count)


def test_conflicts(tmp_path: Path, start: Start) -> None:
    """A service ends when one starts that it conflicts with, whichever of them says so."""
    running = start(
        {
            "day": "[Unit]\nConflicts=night.service\n[Service]\nExecStart=COMMAND\n",
            "night": "[Service]\nExecStart=COMMAND\n",
        }
    )
    up(running, tmp_path, "day")
    for name, other, count in (("night", "day", 1), ("day", "night", 2)):
        up(running, tmp_path, name, count)
        running.until(rf"^{other}\[\d+\]: exited$")
        assert {name: "active", other: "inactive"} == states(tmp_path)

    assert running.stop() == 0


def test_part_of_and_requires(tmp_path: Path, start: Start) -> None:
    """What requires a service, or is part of it, stops and is restarted with it."""
    running = start(
        {
            "base": "[Service]\nExecStart=COMMAND\n",
            "part": "[Unit]\nPartOf=base.service\nAfter=base.service\n"
            "[Service]\nExecStart=COMMAND\n",
            "needs": "[Unit]\nRequires=base.service\nAfter=base.service\n"
            "[Service]\nExecStart=COMMAND\n",
        }
    )
    up(running, tmp_path, "needs")
    up(running, tmp_path, "part")
    assert set(states(tmp_path).values()) == {"active"}
    ctl(f"{tmp_path}/ctl", "restart", ["base.service"])
    for name in ("base", "part", "needs"):
        running.until(rf"^{name}\[\d+\] \| up$", count=2)
    ctl(f"{tmp_path}/ctl", "stop", ["base.service"])
    for name in ("part", "needs"):
        running.until(rf"^{name}\[\d+\]: exited$", count=2)

    assert set(states(tmp_path).values()) == {"inactive"}
    assert running.stop() == 0


def test_sockets_that_are_part_of_a_service(tmp_path: Path, activate: Activate) -> None:
    """A socket is closed when what it is part of is stopped by hand, and stays for a restart."""
    service = f"[Service]\nExecStart={python(tmp_path, STAY)}\n"
    alone = STAY.replace("accept().close()", "signal.pause()")
    base = f"[Service]\nExecStart={python(tmp_path, alone, 'alone')}\n"
    own = f"[Unit]\nPartOf=own.service\n[Socket]\nListenStream={tmp_path}/own\n"
    kept = f"[Unit]\nWants=base.service\n[Socket]\nListenStream={tmp_path}/kept\n"
    units = {"own.service": service, "kept.service": service, "base.service": base}
    write_units(tmp_path, units | {"own.socket": own, "kept.socket": kept})
    running = activate("--control-socket", f"{tmp_path}/ctl", "own.socket", "kept.socket")
    running.until(r"^base\[\d+\] \| up$")  # without a client
    up(running, tmp_path, "own")
    ctl(f"{tmp_path}/ctl", "restart", ["own.service"])
    up(running, tmp_path, "own", 2)
    ctl(f"{tmp_path}/ctl", "stop", ["own.service"])
    running.until(r"^own\.socket: closed: it requires own\.service or is part of it")
    running.until(r"^own\[\d+\]: exited$", count=2)

    assert not (tmp_path / "own").exists()
    assert {"own": "inactive", "kept": "inactive", "base": "active"} == states(tmp_path)
    assert running.stop() == 0


def test_requisite_and_failed_requirement(tmp_path: Path, start: Start) -> None:
    """Where what it requires cannot be started, a service is not started either, with a word."""
    running = start(
        {
            "base": "[Service]\nType=oneshot\nExecStart=/bin/false\n[Unit]\nStartLimitBurst=1\n",
            "needs": "[Unit]\nRequisite=base.service\nAfter=base.service\n"
            "[Service]\nExecStart=COMMAND\n",
        }
    )
    with connect(f"{tmp_path}/needs"):
        what = "not started: it requires base.service, which has not started"
        running.until(rf"^needs\.service: {what} \(dependency\); see why")

    assert "needs[" not in running.text
    assert running.stop() == 0


def test_reload_and_restart(tmp_path: Path, start: Start) -> None:
    """ExecReload= and ReloadSignal= reload; a restart sends RestartKillSignal=."""
    running = start(
        {
            "command": "[Service]\nExecStart=COMMAND\nExecReload=/bin/echo reload $MAINPID\n"
            "RestartKillSignal=SIGUSR1\n",
            "signal": "[Service]\nType=notify-reload\nExecStart=COMMAND\nReloadSignal=SIGHUP\n",
        }
    )
    for name in ("command", "signal"):
        up(running, tmp_path, name)
        ctl(f"{tmp_path}/ctl", "reload", [f"{name}.service"])
        running.until(rf"^{name}\[\d+\]: reloaded$")
    main = running.until(r"^command\[(\d+)\]: reloaded")[1]
    running.until(rf"^command\[\d+\] \| reload {main}$")
    running.until(r"^signal\[\d+\] \| again$")
    ctl(f"{tmp_path}/ctl", "restart", ["command.service"])
    running.until(r"^command\[\d+\] \| got SIGUSR1$")
    running.until(r"^command\[\d+\] \| up$", count=2)

    assert running.stop() == 0
    assert "got SIGTERM" in running.text


def test_reload_that_fails(tmp_path: Path, start: Start) -> None:
    """A reload that fails is told, and the service runs on."""
    running = start({"bad": "[Service]\nExecStart=COMMAND\nExecReload=/bin/sh -c 'exit 3'\n"})
    up(running, tmp_path, "bad")
    with pytest.raises(Exception, match="reload"):
        ctl(f"{tmp_path}/ctl", "reload", ["bad.service"])
    running.until("ExecReload= exited with status 3")

    assert states(tmp_path) == {"bad": "active"}
    assert running.stop() == 0


def test_connection_whose_requirement_fails(tmp_path: Path, activate: Activate) -> None:
    """Its client is not left waiting, and what follows a failure does so."""
    needs = "[Unit]\nRequires=base.service\nAfter=base.service\nOnFailure=bad.service\n"
    socket = f"[Socket]\nListenStream={tmp_path}/each\nAccept=yes\n"
    units = {
        "each.socket": socket,
        "each@.service": f"{needs}[Service]\nExecStart=/bin/cat\nStandardInput=socket\n",
        "base.service": "[Service]\nType=oneshot\nExecStart=/bin/false\n",
        "bad.service": "[Service]\nExecStart=/bin/echo followed\n",
    }
    write_units(tmp_path, units)
    running = activate("each.socket")
    running.until("listening")

    with connect(f"{tmp_path}/each") as client:
        assert b"" == client.recv(1)
    running.until(r"not started: it requires base\.service")
    running.until(r"^bad\[\d+\] \| followed$")
    assert running.stop() == 0
