"""What `activator run` refuses: one line with the place and what to do, and nothing is left."""

import os
import re
from pathlib import Path

import pytest

from tests.support.local import ONCE as SERVE_ONCE
from tests.support.local import (
    Activate,
    ask,
    failure,
    knock,
    python,
    run_to_end,
    write_units,
)

GOOD = "[Service]\nExecStart=/bin/true\n"
LISTEN = "[Socket]\nListenStream=@activator-never-opened\n"


@pytest.mark.parametrize(
    ("socket_unit", "service_unit", "expected"),
    [
        ("[Socket]\n", GOOD, "a.socket: the unit listens on nothing; add ListenStream="),
        ("[Socket]\nListenStream=@x\nListenFIFO=\n", GOOD, "a.socket: the unit listens on nothing"),
        (
            "[Socket]\n\nListenStream=localhost:80\n",
            GOOD,
            "a.socket:3: ListenStream=localhost:80: systemd takes no host names; write the",
        ),
        (LISTEN + "Accept=maybe\n", GOOD, "a.socket:3: Accept=: 'maybe' is no boolean; write yes"),
        (LISTEN + "SocketMode=0999\n", GOOD, "a.socket:3: SocketMode=: '0999' is no access mode"),
        (LISTEN + "ReceiveBuffer=8k\n", GOOD, "a.socket:3: ReceiveBuffer=: '8k' is no size"),
        (LISTEN + "TriggerLimitBurst=-1\n", GOOD, "a.socket:3: TriggerLimitBurst=: -1 is out of"),
        (LISTEN + "Backlog=4294967296\n", GOOD, "a.socket:3: Backlog=: 4294967296 is out of range"),
        (LISTEN + "Timestamping=yes\n", GOOD, "a.socket:3: Timestamping=: 'yes' is unknown"),
        (LISTEN + "IPTOS=foo\n", GOOD, "a.socket:3: IPTOS=: 'foo' is no number"),
        (LISTEN + "FileDescriptorName=a:b\n", GOOD, "a.socket:3: FileDescriptorName=: 'a:b' is no"),
        (LISTEN + "KeepAliveTimeSec=soon\n", GOOD, "a.socket:3: KeepAliveTimeSec=: 'soon' is no"),
        (LISTEN + "Service=b.timer\n", GOOD, "a.socket:3: Service=: 'b.timer' is no service"),
        (LISTEN + "Service=b@.service\n", GOOD, "a.socket:3: Service=: b@.service is a template"),
        (LISTEN + "MaxConnections=0\n", GOOD, "a.socket:3: MaxConnections=0 lets nobody in"),
        (LISTEN + "Symlinks=/run/x\n", GOOD, "a.socket: Symlinks= needs one path to point to"),
        (LISTEN + "Symlinks=x\n", GOOD, "a.socket:3: x is no absolute path"),
        (LISTEN + "SocketProtocol=tcp\n", GOOD, "a.socket:3: SocketProtocol=: 'tcp' is unknown"),
        (LISTEN + "what is this\n", GOOD, "a.socket:3: 'what is this' is no assignment"),
        (LISTEN + "ListenStream=/run/%z\n", GOOD, "a.socket:3: unknown specifier %z"),
        (LISTEN, "", "a.service: a.service is empty, and so masked; write something"),
        (LISTEN, "[Service]\n", "a.service: there is no ExecStart=; add ExecStart=PROGRAM"),
        (LISTEN, "[Service]\nExecStart=\n", "a.service: there is no ExecStart="),
        (LISTEN, "[Service]\nExecStart=a 'b\n", "a.service:2: the quote ' is not closed"),
        (LISTEN, GOOD + "ExecStart=/bin/true\n", "a.service:3: only Type=oneshot has several"),
        (LISTEN, "[Service]\nExecStart=|/bin/true\n", "a.service:2: the prefix | is not run here"),
        (LISTEN, GOOD + "Type=other\n", "a.service:3: Type=: 'other' is unknown; write simple,"),
        (LISTEN, GOOD + "Environment=1x=2\n", "a.service:3: Environment=: '1x=2' is no variable"),
        (LISTEN, GOOD + "WorkingDirectory=x\n", "a.service:3: WorkingDirectory=: 'x' is no abs"),
        (LISTEN, GOOD + "KillSignal=SIGFOO\n", "a.service:3: KillSignal=: 'SIGFOO' is no signal"),
        (LISTEN, GOOD + "StandardOutput=fd:\n", "a.service:3: StandardOutput=: 'fd:' is unknown"),
        (LISTEN, GOOD + "RuntimeDirectory=/x\n", "a.service:3: RuntimeDirectory=: '/x' is no rel"),
        (
            LISTEN,
            "[Service]\n\nExecStart=/nowhere/program\n",
            "a.service:3: /nowhere/program does not exist; install it, or correct the line",
        ),
        (
            LISTEN,
            "[Service]\nExecStart=/etc/passwd\n",
            "a.service:2: /etc/passwd is not exec",
        ),
        (LISTEN, "[Service]\nExecStart=/etc\n", "a.service:2: /etc is a directory; give the"),
        (LISTEN, "[Service]\nExecStart=no-such-program\n", "a.service:2: there is no program no-"),
        (LISTEN, "[Service]\nExecStart=bin/true\n", "a.service:2: bin/true is a relative path"),
        (
            LISTEN + "ListenStream=@two\n",
            GOOD + "StandardInput=socket\n",
            "a.service:3: StandardInput=socket needs exactly one socket, and a.service gets 2",
        ),
    ],
)
def test_bad_unit(tmp_path: Path, socket_unit: str, service_unit: str, expected: str) -> None:
    """A wrong line is named by file and line, with what to do."""
    write_units(tmp_path, {"a.socket": socket_unit, "a.service": service_unit})
    text = failure(tmp_path, "a.socket")

    assert text.startswith(expected)
    assert text.count("\n") == 1


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("ListenDatagram=@x", "a.socket:4: Accept=yes does not go with ListenDatagram="),
        ("Service=b.service", "a.socket:4: Accept=yes does not go with Service="),
        ("DeferTrigger=yes", "a.socket:4: Accept=yes does not go with DeferTrigger="),
    ],
)
def test_bad_with_accept(tmp_path: Path, line: str, expected: str) -> None:
    """What systemd refuses with Accept=yes is refused."""
    write_units(tmp_path, {"a.socket": f"{LISTEN}Accept=yes\n{line}\n", "a@.service": GOOD})

    assert failure(tmp_path, "a.socket").startswith(expected)


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        (
            "missing.socket",
            "there is no file missing.socket, nor does the system have it; check it",
        ),
        ("t@.socket", "t@.socket is a template; name an instance: t@NAME.socket"),
        ("notes.txt", "notes.txt is no unit; give a .socket file, or a spec that ends in .toml"),
        ("alone.socket", "alone.socket: its service alone.service is not beside it; write it"),
        ("each.socket", "each.socket: its service each@.service is not beside it; write it there"),
        ("lone.service", "there is no lone.socket beside lone.service; give the .socket file"),
    ],
)
def test_bad_argument(tmp_path: Path, argument: str, expected: str) -> None:
    """A wrong name is explained."""
    write_units(
        tmp_path,
        {
            "alone.socket": LISTEN,
            "each.socket": f"{LISTEN}Accept=yes\n",
            "t@.socket": LISTEN,
            "lone.service": GOOD,
            "notes.txt": "",
        },
    )

    assert failure(tmp_path, argument).startswith(expected)


def test_all_problems_at_once(tmp_path: Path) -> None:
    """Every unit's first problem is shown, each in a line."""
    write_units(
        tmp_path,
        {"a.socket": "[Socket]\nAccept=2\n", "b.socket": LISTEN, "c.socket": "[Socket]\n=x\ny\n"},
    )
    lines = failure(tmp_path, "a.socket", "b.socket", "c.socket").splitlines()
    hint = "write it there, or name it with Service="

    assert [
        "a.socket:2: Accept=: '2' is no boolean; write yes or no",
        "c.socket:2: the assignment has no name; write NAME=VALUE",
        "c.socket:3: 'y' is no assignment; write NAME=VALUE, or # for a comment",
        f"b.socket: its service b.service is not beside it; {hint}",
    ] == lines


def test_wrong_usage(tmp_path: Path) -> None:
    """Wrong options end with status 2."""
    write_units(tmp_path, {"a.socket": LISTEN, "a.service": GOOD, "file": ""})
    for arguments, part in (
        ((), "there is nothing to run; name a spec or a unit"),
        (("-E", "NOT_SET", "a.socket"), "--env: 'NOT_SET' sets nothing"),
        (("--runtime-dir", "file/x", "a.socket"), "--runtime-dir: cannot make"),
    ):
        done = run_to_end(tmp_path, *arguments)
        assert done.returncode == 2
        assert part in done.stderr


def test_program_that_cannot_be_executed(tmp_path: Path, activate: Activate) -> None:
    """What only exec finds out names the line; the same error is shown once."""
    script = tmp_path / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    write_units(
        tmp_path,
        {
            "a.socket": f"[Socket]\nListenStream={tmp_path}/sock\n",
            "a.service": f"[Service]\nExecStart={script}\n",
            "b.socket": f"[Socket]\nListenStream={tmp_path}/b\nTriggerLimitBurst=1\n",
            "b.service": f"{GOOD}WorkingDirectory=/nowhere\n",
            "c.socket": f"[Socket]\nListenStream={tmp_path}/c\nTriggerLimitBurst=1\n",
            "c.service": f"{GOOD}WorkingDirectory=-/nowhere\n",
        },
    )
    run = activate("a.socket", "b.socket", "c.socket")
    run.until("listening", count=3)
    for name in ("sock", "b", "c"):
        knock(str(tmp_path / name))

    assert run.wait() == 1
    reason = f"a.service: a.service:2: {script} cannot be executed: No such file or directory"
    assert run.text.count(f"{reason}; check its first line (#!)") == 1
    assert "b.service:2: cannot go to /nowhere: No such file or directory" in run.text
    assert re.search(r"^c\[\d+\]: exited$", run.text, re.MULTILINE)


def test_notes(tmp_path: Path, activate: Activate) -> None:
    """What has no effect here is one line, a name that systemd does not know another."""
    write_units(
        tmp_path,
        {
            "a.socket": """
                [Unit]
                Description=A
                After=network.target
                ConditionSecurity=nothing
                [Socket]
                ListenStream=@activator-notes-%p
                Acept=yes
                X-Mine=1
                SELinuxContextFromNet=no
                [Install]
                WantedBy=sockets.target
                """.replace("%p", str(os.getpid())),
            "a.service": f"{GOOD}ProtectSystem=strict\nDynamicUser=yes\nProtectSystem=full\n",
        },
    )
    run = activate("a.socket")
    run.until("listening")

    assert run.stop() == 0
    ignored = "ConditionSecurity=, SELinuxContextFromNet=, ProtectSystem=, DynamicUser="
    assert f"ignored here: {ignored}\n" in run.text
    assert "a.socket:7: systemd skips Acept= in [Socket]; did you mean Accept=?\n" in run.text


def test_services_named_along(tmp_path: Path, activate: Activate) -> None:
    """A service may stand for its socket, or say where it is; drop-ins are read."""
    write_units(
        tmp_path,
        {
            "a.socket": f"[Socket]\nListenStream={tmp_path}/a\n",
            "a.socket.d/10-name.conf": "[Socket]\nFileDescriptorName=dropped\n",
            "a.service": f"[Service]\nExecStart={python(tmp_path, SERVE_ONCE)}\n",
            "b.socket": f"[Socket]\nListenStream={tmp_path}/b\n",
            "elsewhere/b.service": f"[Service]\nExecStart={python(tmp_path, SERVE_ONCE)}\n",
        },
    )
    run = activate("a.service")
    run.until("listening")
    assert [3, "dropped"] == ask(str(tmp_path / "a"))["fds"][0][:2]
    assert run.stop() == 0

    run = activate("b.socket", "elsewhere/b.service")
    run.until("listening")
    assert [3, "b.socket"] == ask(str(tmp_path / "b"))["fds"][0][:2]
    assert run.stop() == 0
