"""What `activator run` refuses: one line with the place and what to do, and nothing is left."""

import os
import re
from pathlib import Path

import pytest

from activator.check import check
from activator.check.inputs import Scope, worlds
from activator.local.units.load import load
from activator.unitfile.directives import NEWEST
from tests.support.local import ONCE as SERVE_ONCE
from tests.support.local import Activate, ask, failure, knock, python, run_to_end, write_units

GOOD = "[Service]\nExecStart=/bin/true\n"
NOTHING = (
    "the unit listens on nothing; add ListenStream=, or another one; an empty one clears those "
    "before it"
)
LISTEN = "[Socket]\nListenStream=@activator-never-opened\n"


@pytest.mark.parametrize(
    ("socket_unit", "service_unit", "expected"),
    [
        ("[Socket]\n", GOOD, "a.socket: the unit listens on nothing; add ListenStream="),
        (
            "[Socket]\nListenStream=@x\nListenFIFO=\n",
            GOOD,
            "a.socket:3: the unit listens on",
        ),
        (LISTEN + "MaxConnections=0\n", GOOD, "a.socket:3: MaxConnections=0 is refused"),
        (
            LISTEN + "Symlinks=/run/x\n",
            GOOD,
            "a.socket:3: Symlinks= needs exactly one path",
        ),
        (LISTEN, "", "a.service: a.service is empty, and so masked; write something"),
        (LISTEN, "[Service]\n", "a.service: the service has no command; add ExecStart="),
        (
            LISTEN,
            "[Service]\nExecStart=\n",
            "a.service: the service has no command; add ExecStart=",
        ),
        (
            LISTEN,
            "[Service]\nExecStart=a 'b\n",
            "a.service:2: ExecStart=a 'b: the quote ' is",
        ),
        (
            LISTEN,
            GOOD + "ExecStart=/bin/true\n",
            "a.service:3: there is more than one ExecS",
        ),
        (LISTEN, "[Service]\nExecStart=|/bin/true\n", "a.service:2: the prefix | is not run here"),
        (
            LISTEN,
            GOOD + "WorkingDirectory=x\n",
            "a.service:3: WorkingDirectory=x: 'x' is",
        ),
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
        (
            LISTEN,
            "[Service]\nExecStart=bin/true\n",
            "a.service:2: ExecStart=bin/true: 'bin/",
        ),
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
        ("Accept=maybe", "this is neither yes nor no; write yes or no"),
        ("SocketMode=0999", "this is not an octal mode; write"),
        ("ReceiveBuffer=8k", "this is not a size; write 8K"),
        ("TriggerLimitBurst=-1", "the number is out of range; write 0 to 4294967295"),
        ("Backlog=4294967296", "the number is out of range; write 0 to 4294967295"),
        ("Timestamping=soon", "this word is unknown; write"),
        ("IPTOS=foo", "this word is unknown; write"),
        ("FileDescriptorName=a:b", "a descriptor's name holds no colon; write a-b"),
        ("KeepAliveTimeSec=soon", "this is not a time span; write"),
        ("Service=b.timer", "'b.timer' is no .service unit; write b.service"),
        ("Service=b@.service", "'b@.service' is a template; write b@INSTANCE.service"),
        ("Symlinks=x", "'x' is not an absolute path; write /x"),
        ("SocketProtocol=tcp", "this word is unknown; write"),
        ("ListenStream=/run/%z", "unknown specifier %z; write %%z"),
        (f"MaxConnectionsPerSource={'9' * 5000}", "the number is out of range; write 0"),
    ],
)
def test_bad_line_of_a_socket(tmp_path: Path, line: str, expected: str) -> None:
    """What systemd ignores is reported in the words of check, and refused by --strict."""
    units = {"a.socket": f"{LISTEN}{line}\n", "a.service": GOOD}
    told_alike(tmp_path, "a.socket", units, expected)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Type=other", "this word is unknown; write"),
        ("Environment=1x=2", "'1x' is not a variable name; use"),
        ("KillSignal=SIGFOO", "this is not a signal; write a name such as SIGTERM"),
        ("KillSignal=SIGCLD", "this is not a signal; write a name such as SIGTERM"),
        ("StandardOutput=fd:a:b", "a descriptor's name holds no colon; write a-b"),
        ("RuntimeDirectory=/x", "'/x' is an absolute path; write x: the root is implied"),
        (f"Nice={'9' * 5000}", "the number is out of range; write -20 to 19"),
        ("Environment=GOOD=1 bad", "'bad' assigns nothing; write bad=VALUE, or quote it all"),
    ],
)
def test_bad_line_of_a_service(tmp_path: Path, line: str, expected: str) -> None:
    """The same for services."""
    told_alike(
        tmp_path, "a.service", {"a.socket": LISTEN, "a.service": f"{GOOD}{line}\n"}, expected
    )


def told_alike(tmp_path: Path, name: str, units: dict[str, str], expected: str) -> None:
    """Check what is said of the third line of a unit, here and by check."""
    write_units(tmp_path, units)
    (note,) = load([str(tmp_path / "a.socket")]).notes
    place, said = note.split(": ", 1)

    assert f"{tmp_path / name}:3" == place
    assert expected in said
    assert failure(tmp_path, "--strict", "a.socket") == f"{name}:3: {said}\n"
    scope = Scope([str(tmp_path / name)], version=NEWEST)
    found = [one.finding for world in worlds(scope) for one in check(world)]
    assert said in [f"{one.message}; {one.hint}" for one in found]


def test_lines_that_are_ignored(tmp_path: Path, activate: Activate) -> None:
    """Lines that systemd ignores change nothing: the unit runs with those that are right."""
    write_units(
        tmp_path,
        {
            "a.socket": f"""
                what is this
                [Nonsense]
                A=1
                [Socket]
                ListenStream={tmp_path}/sock
                FileDescriptorName=right
                FileDescriptorName=a:b
                what is this
                """,
            "a.service": f"[Service]\nExecStart={python(tmp_path, SERVE_ONCE)}\n"
            "Environment=RIGHT=1 wrong ALSO=2\n",
        },
    )
    run = activate("a.socket")
    run.until("listening")
    facts = ask(str(tmp_path / "sock"))

    assert [3, "right"] == facts["fds"][0][:2]
    assert ["1", "2"] == [facts["environ"].get(name) for name in ("RIGHT", "ALSO")]
    assert run.stop() == 0
    for part in (
        "a.socket:1: 'what is this' is not an assignment; write NAME=VALUE, or # for a comment\n",
        "a.socket:2: systemd skips the unknown section [Nonsense]; name it [X-...] if it is not",
        "a.socket:7: FileDescriptorName=a:b: a descriptor's name holds no colon; write a-b\n",
        "a.socket:8: 'what is this' is not an assignment; write NAME=VALUE, or # for a comment\n",
        "a.service:3: Environment=RIGHT=1 wrong ALSO=2: 'wrong' assigns nothing; write",
    ):
        assert part in run.text


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("ListenDatagram=@x", "a.socket:4: ListenDatagram= cannot accept, as Accept=yes"),
        ("Service=b.service", "a.socket:4: Service= excludes Accept=yes"),
        ("DeferTrigger=yes", "a.socket:4: DeferTrigger= excludes Accept=yes"),
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
        ("notes.txt", "notes.txt is not a unit; give a .socket file, or a spec that ends in .toml"),
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


def test_nothing_is_left(tmp_path: Path) -> None:
    """Where a line is ignored that the unit cannot do without, both are told."""
    write_units(tmp_path, {"a.socket": "[Socket]\n\nListenStream=localhost:80\n"})
    first, second = failure(tmp_path, "a.socket").splitlines()

    assert first.startswith(
        "a.socket:3: ListenStream=localhost:80: systemd takes no host names; write the"
    )
    assert f"a.socket:3: {NOTHING}" == second


def test_all_problems_at_once(tmp_path: Path) -> None:
    """Every unit's first problem is shown, each in a line."""
    write_units(
        tmp_path,
        {"a.socket": "[Socket]\nAccept=2\n", "b.socket": LISTEN, "c.socket": "[Socket]\n=x\ny\n"},
    )
    lines = failure(tmp_path, "a.socket", "b.socket", "c.socket").splitlines()
    hint = "write it there, or name it with Service="

    assert [
        "a.socket:2: Accept=2: this is neither yes nor no; write yes or no",
        f"a.socket: {NOTHING}",
        "c.socket:2: the assignment has no name; write NAME=VALUE",
        "c.socket:3: 'y' is not an assignment; write NAME=VALUE, or # for a comment",
        f"c.socket: {NOTHING}",
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
    assert "ignored here: 4 directives; --verbose names them\n" in run.text
    run = activate("a.socket", "--verbose")
    run.until("listening")

    assert run.stop() == 0
    ignored = "ConditionSecurity=, SELinuxContextFromNet=, ProtectSystem=, DynamicUser="
    assert f"ignored here: {ignored}\n" in run.text
    assert "a.socket:7: [Socket] has no Acept=; did you mean Accept=?\n" in run.text


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
