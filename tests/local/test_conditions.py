"""Conditions and assertions in `activator run`: who is started, and what is said."""

import time
from pathlib import Path

import pytest

from activator.local.conditions.compare import compare
from tests.support.local import Activate, ask, connect, knock, python, read_all, write_units

# The example of the version format specification, from old to new.
VERSIONS = ("122.1", "123~rc1-1", "123", "123-a", "123-a.1", "123-1", "123-1.1", "123^post1",
            "123.a-1", "123.1-1", "123a-1", "124-1")  # fmt: skip


def test_versions() -> None:
    """Versions are in the order of their specification; what separates has no meaning."""
    for number, one in enumerate(VERSIONS):
        for other_number, other in enumerate(VERSIONS):
            assert compare(one, other) == (number > other_number) - (number < other_number)
    assert compare("007_1", "7+1") == 0


def test_service_is_skipped(tmp_path: Path, activate: Activate) -> None:
    """Clients wait while a condition does not hold, until it does or it was tried too often."""
    code = """
        with accept() as client:
            send(client, "served")
        """
    write_units(
        tmp_path,
        {
            "a.socket": f"""
                [Socket]
                ListenStream={tmp_path}/sock
                TriggerLimitBurst=1000000
                PollLimitBurst=1
                PollLimitIntervalSec=100ms
                """,
            "a.service": f"""
                [Unit]
                ConditionPathExists={tmp_path}/there
                [Service]
                ExecStart={python(tmp_path, code)}
                """,
        },
    )
    run = activate("a.socket")
    run.until("listening")
    with connect(f"{tmp_path}/sock") as client:
        run.until(rf"a.service:2: skipped, as ConditionPathExists={tmp_path}/there does not hold")
        (tmp_path / "there").touch()

        assert read_all(client) == b'"served"'
    assert run.stop() == 0


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("ConditionPathExists=!/", "a.service:2: skipped, as ConditionPathExists=!/ does not hold"),
        ("AssertHost=|none", "a.service:2: not started, as AssertHost=|none does not hold; make"),
    ],
)
def test_too_often(tmp_path: Path, activate: Activate, line: str, said: str) -> None:
    """A socket whose service is not started ends at its trigger limit, with its clients."""
    write_units(
        tmp_path,
        {
            "a.socket": f"[Socket]\nListenStream={tmp_path}/sock\nTriggerLimitBurst=3\n",
            "a.service": f"[Unit]\n{line}\n[Service]\nExecStart=/bin/true\n",
        },
    )
    run = activate("a.socket")
    run.until("listening")
    knock(f"{tmp_path}/sock")

    assert run.wait() == 1
    assert said in run.text
    assert "(trigger-limit-hit): closed; see above what keeps it from starting" in run.text


def test_sockets(tmp_path: Path, activate: Activate) -> None:
    """A socket whose condition does not hold is not opened, and the others are."""
    code = """
        with accept() as client:
            send(client, daemon.listen_fds_with_names())
        """
    write_units(
        tmp_path,
        {
            "a.socket": f"[Socket]\nListenStream={tmp_path}/a\n",
            "b.socket": f"""
                [Unit]
                ConditionDirectoryNotEmpty=!{tmp_path}
                [Socket]
                ListenStream={tmp_path}/b
                Service=a.service
                """,
            "a.service": f"[Service]\nExecStart={python(tmp_path, code)}\n",
        },
    )
    run = activate("a.socket", "b.socket")
    run.until("b.socket:2: skipped, as ConditionDirectoryNotEmpty=!")

    assert ask(f"{tmp_path}/a") == {"3": "a.socket"}
    assert not (tmp_path / "b").exists()
    assert run.stop() == 0


def test_asserted_socket(tmp_path: Path, activate: Activate) -> None:
    """A socket whose assertion does not hold is an error, and nothing is left open."""
    write_units(
        tmp_path,
        {
            "a.socket": f"[Socket]\nListenStream={tmp_path}/a\n",
            "b.socket": f"[Unit]\nAssertUser=nobody_here\n[Socket]\nListenStream={tmp_path}/b\n",
            "a.service": "[Service]\nExecStart=/bin/true\n",
            "b.service": "[Service]\nExecStart=/bin/true\n",
        },
    )
    run = activate("a.socket", "b.socket")

    assert run.wait() == 1
    assert "b.socket:2: not started, as AssertUser=nobody_here does not hold" in run.text
    assert not (tmp_path / "a").exists()


def test_followers(tmp_path: Path, activate: Activate) -> None:
    """What follows a unit starts once it has failed, also a socket; what is missing is told."""
    write_units(
        tmp_path,
        {
            "a.socket": f"""
                [Unit]
                OnFailure=call@%p.service
                [Socket]
                ListenStream={tmp_path}/sock
                TriggerLimitBurst=1
                """,
            "a.service": """
                [Unit]
                OnFailure=none.service
                [Service]
                Type=dbus
                BusName=org.example.A
                ExecStart=/bin/true
                """,
            "call@.service": "[Service]\nType=oneshot\nExecStart=/bin/echo called for %i\n",
        },
    )
    run = activate("a.socket")
    run.until("listening")
    knock(f"{tmp_path}/sock")

    assert run.wait() == 1
    assert "called for a" in run.text
    assert "none.service would follow it, which is not beside it: not started then" in run.text
    assert "Type=dbus counts as started at once: there is no bus here" in run.text


def test_upholds(tmp_path: Path, activate: Activate) -> None:
    """What is upheld starts again as long as what upholds it runs, but not without end."""
    write_units(
        tmp_path,
        {
            "a.socket": f"[Socket]\nListenStream={tmp_path}/sock\n",
            "a.service": "[Unit]\nUpholds=b.service\n[Service]\nExecStart=/bin/sleep 1000\n",
            "b.service": """
                [Unit]
                StartLimitIntervalSec=0
                [Service]
                ExecStart=/bin/echo up
                """,
        },
    )
    begun = time.monotonic()
    run = activate("--now", "a.socket")
    run.until(r"b\[\d+\] \| up$", count=17)

    assert run.stop() == 0
    # Once, and 16 times more in ten seconds; then these begin anew.
    assert run.text.count(" | up\n") == 17 or time.monotonic() - begun > 10
