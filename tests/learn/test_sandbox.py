"""The lines of a unit that forbid what was done, and what takes its sandbox off."""

import pytest

from activator.common import tables
from activator.generate import hardening
from activator.learn import sandbox
from activator.learn.judge import Evidence
from activator.learn.service import Service, from_files
from activator.unitfile import directives
from activator.unitfile.parse import UnitFile
from activator.unitfile.values import judge_written
from tests.boxes.box import Box

# What was done: the need, and the call; lines of a unit; which of them forbid it.
CASES = [
    ("system-info", "openat", "ProcSubset=pid", [1]),
    ("system-info", "openat", "ProcSubset=pid\nProcSubset=all", []),
    ("jit", "mmap", "MemoryDenyWriteExecute=1", [1]),
    ("jit", "mmap", "MemoryDenyWriteExecute=no", []),
    ("jit", "memfd_create", "SystemCallFilter=@system-service", []),
    (
        "resources",
        "sched_setaffinity",
        "SystemCallFilter=@system-service\nSystemCallFilter=~@resources",
        [2],
    ),
    (
        "resources",
        "sched_setaffinity",
        "SystemCallFilter=~@resources\nSystemCallFilter=@resources",
        [],
    ),
    ("resources", "setpriority", "SystemCallFilter=@basic-io @file-system", [1]),
    ("resources", "setpriority", "SystemCallFilter=~@resources:EPERM", [1]),
    ("resources", "setpriority", "SystemCallFilter=~@resources\nSystemCallFilter=", []),
    ("network", "connect", "RestrictAddressFamilies=AF_UNIX\nPrivateNetwork=yes", [1, 2]),
    ("network", "connect", "RestrictAddressFamilies=~AF_INET AF_INET6", [1]),
    ("network", "connect", "RestrictAddressFamilies=AF_INET AF_INET6\nIPAddressDeny=any", [2]),
    ("network:localhost", "connect", "IPAddressDeny=any\nIPAddressAllow=localhost", []),
    ("unix", "connect", "RestrictAddressFamilies=none", [1]),
    ("unix", "connect", "RestrictAddressFamilies=none\nRestrictAddressFamilies=", []),
    ("capability:CAP_SETUID", "setuid", "CapabilityBoundingSet=", [1]),
    (
        "capability:CAP_SETUID",
        "setuid",
        "CapabilityBoundingSet=\nCapabilityBoundingSet=CAP_SETUID",
        [],
    ),
    ("capability:CAP_SETUID", "setuid", "CapabilityBoundingSet=~CAP_SETUID CAP_KILL", [1]),
    ("capability:CAP_SETUID", "setuid", "CapabilityBoundingSet=~CAP_KILL", []),
    ("write:/srv", "openat", "ProtectSystem=strict", [1]),
    ("write:/srv", "openat", "ProtectSystem=full", []),
    ("write:/srv", "openat", "ProtectSystem=strict\nReadWritePaths=-/srv", []),
    ("write:/etc/x", "openat", "ProtectSystem=full", [1]),
    ("write:/srv/data", "openat", "ReadOnlyPaths=/srv", [1]),
    ("state", "openat", "ProtectSystem=strict", [1]),
    ("state", "openat", "ProtectSystem=strict\nStateDirectory=guest", []),
    ("state:other", "openat", "ProtectSystem=strict\nStateDirectory=guest other", []),
    ("read:/home/anna", "openat", "ProtectHome=yes", [1]),
    ("read:/home/anna", "openat", "ProtectHome=tmpfs\nBindReadOnlyPaths=/home/anna", []),
    ("read:/tmp/x", "openat", "PrivateTmp=yes", [1]),
    ("exec", "execve", "NoExecPaths=/tmp\nNoExecPaths=-/usr", [2]),
    ("exec", "execve", "NoExecPaths=/\nExecPaths=/usr/lib /usr/bin", []),
    ("listen:80", "bind", "SocketBindDeny=any", [1]),
    ("family:AF_NETLINK", "socket", "RestrictAddressFamilies=AF_UNIX", [1]),
    ("", "personality", "SystemCallFilter=@basic-io", [1]),
    ("", "swapon", "NoNewPrivileges=yes", []),
]


def service(lines: str) -> Service:
    """Return a service of some lines; they begin with line 1."""
    return from_files("guest.service", [UnitFile.parse(f"[Service] \n{lines}\n", "guest.service")])


@pytest.mark.parametrize(("need", "call", "lines", "numbers"), CASES)
def test_which_line_forbids(need: str, call: str, lines: str, numbers: list[int]) -> None:
    """It is the one that decides in the end, and none where another opens what was used."""
    found = sandbox.forbidding(service(lines), [Evidence(need, call, "/usr/bin/env", "", 1)])
    assert numbers == sorted(entry.line - 1 for entry in found)


def test_what_is_not_in_the_way() -> None:
    """Lines that shut nothing in are none of a sandbox."""
    lines = "ProtectHome=no\nProtectClock=yes\nSystemCallFilter=\nDynamicUser=yes\nUser=x"
    assert ["ProtectClock", "DynamicUser"] == [one.name for one in sandbox.shut(service(lines))]


def test_from_where_no_program_runs() -> None:
    """All lines count, and neither the mark of what may be missing nor that of the unit's root."""
    lines = "NoExecPaths=/x\nNoExecPaths=\nNoExecPaths=-/usr/bin /tmp\nNoExecPaths=+/opt"
    assert ("/usr/bin", "/tmp", "/opt") == sandbox.no_programs([service(lines)])


def test_what_is_taken_off() -> None:
    """Only what a unit sets, however it does."""
    lines = "CapabilityBoundingSet=\nProtectSystem=strict\nPrivateNetwork=yes\nUser=x"
    expected = ["CapabilityBoundingSet=~", "ProtectSystem=no"]
    assert expected == [*sandbox.taken_off(service(lines), ["PrivateNetwork"])]


def test_every_line_of_a_profile_can_be_taken_off() -> None:
    """Each directive by which hardening closes is in the table, and each value is systemd's."""
    stays = {"DynamicUser", "UMask", "RemoveIPC", "SystemCallErrorNumber", "ExecPaths"}
    stays |= {"BindReadOnlyPaths", "IPAddressAllow"}
    assert {row.name for row in hardening.rows()} - stays <= sandbox.off().keys()
    for name, value in sandbox.off().items():
        directive = directives.lookup("Service", name)
        assert directive is not None
        assert judge_written(directive, value, directives.NEWEST).accepted, name


def test_the_groups_of_system_calls(box: Box) -> None:
    """They are those of systemd 257."""
    if box.version != 257:
        pytest.skip("groups change with systemd")
    groups: dict[str, set[str]] = {}
    for line in box.run("systemd-analyze", "syscall-filter", "--no-pager").stdout.splitlines():
        if line.startswith("@"):
            words = groups.setdefault(line.strip(), set())
        elif line.strip() and not line.strip().startswith("#"):
            words.add(line.strip())

    def members(name: str) -> set[str]:
        return {
            each for word in groups[name] for each in (members(word) if word[0] == "@" else {word})
        }

    for call, named in tables.rows(sandbox.__file__, "call_groups.tsv"):
        assert named.split() == sorted(name for name in groups if call in members(name))
