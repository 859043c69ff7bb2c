"""What a unit says of its processes' scheduling and files becomes what is set and passed."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from activator.local.units.load import load
from activator.local.units.service_model import Scheduling, ServiceUnit
from tests.support.local import Activate, knock, python, write_units


def service_of(*lines: str, unit: str = "") -> ServiceUnit:
    """Return the service of lines for [Service] and [Unit]."""
    return load([], texts_of(*lines, unit=unit)).services["a.service"]


def texts_of(*lines: str, unit: str = "") -> dict[str, tuple[str, str]]:
    """Return a service with such lines, and its socket."""
    text = "\n".join(["[Service]", "ExecStart=/bin/true", *lines, "[Unit]", unit])
    return {"a.socket": ("[Socket]\nListenStream=@z\n", "a.socket"), "a.service": (text, "a")}


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("", Scheduling()),
        ("CPUSchedulingPolicy=fifo", Scheduling(policy=1, priority=1)),
        ("CPUSchedulingPriority=7 CPUSchedulingPolicy=rr", Scheduling(policy=2, priority=7)),
        ("CPUSchedulingPriority=7 CPUSchedulingPolicy=batch", Scheduling(policy=3)),
        ("CPUSchedulingPolicy=rr CPUSchedulingPolicy=", Scheduling()),
        ("CPUAffinity=0-2,5 CPUAffinity=7", Scheduling(affinity=frozenset({0, 1, 2, 5, 7}))),
        ("CPUAffinity=0 CPUAffinity=", Scheduling()),
        ("IOSchedulingClass=idle", Scheduling(io=0x6004)),
        ("IOSchedulingPriority=2", Scheduling(io=0x4002)),
        ("IOSchedulingClass=1 IOSchedulingPriority=0", Scheduling(io=0x2000)),
        ("IOSchedulingClass=none", Scheduling(io=0x4004)),
        ("TimerSlackNSec=5ms", Scheduling(timer_slack=5_000_000)),
        ("TimerSlackNSec=infinity", Scheduling()),
        ("CoredumpFilter=elf-headers CoredumpFilter=0x100", Scheduling(dumped=0x110)),
        ("CoredumpFilter=default", Scheduling(dumped=0x33)),
        ("CoredumpFilter=all", Scheduling(dumped=0x1FF)),
    ],
)
def test_scheduling(lines: str, expected: Scheduling) -> None:
    """Lines of one group change each other in their order."""
    assert service_of(*lines.split()).execution.scheduling == expected


@pytest.mark.parametrize(
    "line",
    [
        "CPUSchedulingPolicy=fast",
        "CPUSchedulingPriority=100",
        "CPUAffinity=3-1",
        "IOSchedulingClass=8",
        "IOSchedulingPriority=9",
        "TimerSlackNSec=long",
        "Personality=vax",
        "CoredumpFilter=some",
        "OpenFile=relative",
        "OpenFile=/a:b:append,truncate",
        "OpenFile=/a:b:read-only:c",
    ],
)
def test_wrong_lines(line: str) -> None:
    """What systemd skips is told with its place, and changes nothing."""
    plan = load([], texts_of(line))
    (note,) = plan.notes
    assert note.startswith(f"a:3: {line}: ")
    assert replace(plan.services["a.service"], place="") == replace(service_of(), place="")


def test_open_files() -> None:
    """OpenFile= has a path, a name and options; neither quotes nor specifiers count."""
    files = service_of("OpenFile=/a/b", "OpenFile=/%p:x y:graceful,append").open_files

    assert [("/a/b", "b", []), ("/%p", "x y", ["append", "graceful"])] == [
        (each.path, each.fdname, sorted(each.options)) for each in files
    ]


def test_files_are_passed(tmp_path: Path, activate: Activate) -> None:
    """Files stand behind the sockets at each start, and none stays open with us."""
    code = """
        names = daemon.listen_fds_with_names()
        if names[4] == "log" and os.read(5, 9) == b"given":
            os.write(4, b"line ")
        accept().close()
        """
    (tmp_path / "in").write_text("given", encoding="ascii")
    (tmp_path / "log").write_text("old ", encoding="ascii")
    write_units(
        tmp_path,
        {
            "a.socket": f"[Socket]\nListenStream={tmp_path}/sock\n",
            "a.service": f"""
                [Service]
                ExecStart={python(tmp_path, code)}
                OpenFile={tmp_path}/log::append
                OpenFile={tmp_path}/in:in:read-only
                OpenFile={tmp_path}/none::graceful
                """,
        },
    )
    run = activate("a.socket")
    run.until("listening")
    for count in (1, 2):
        knock(f"{tmp_path}/sock")
        run.until(r"a\[\d+\]: exited$", count=count)
    left = []
    for each in Path(f"/proc/{run.process.pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # it opens and closes others meanwhile
            left.append(str(each.readlink()))

    assert (tmp_path / "log").read_text(encoding="ascii") == "old line line "
    assert [path for path in left if path.startswith((f"{tmp_path}/log", f"{tmp_path}/in"))] == []


def test_file_is_missing(tmp_path: Path, activate: Activate) -> None:
    """A file that is not there, and need not be, fails the service with its line."""
    write_units(
        tmp_path,
        {
            "a.socket": f"[Socket]\nListenStream={tmp_path}/sock\n",
            "a.service": f"[Service]\nExecStart=/bin/true\nOpenFile={tmp_path}/none\n",
        },
    )
    run = activate("a.socket")
    run.until("listening")
    knock(f"{tmp_path}/sock")

    assert run.wait() == 1
    assert f"a.service:3: OpenFile=: cannot open {tmp_path}/none: No such file" in run.text
