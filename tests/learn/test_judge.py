"""Lines of strace, each as the need that it shows."""

import pytest

from activator.common import tables
from activator.generate import hardening, specfile
from activator.learn import trace
from activator.learn.judge import Judge

SPEC = """\
name = "guest"
exec = "/usr/bin/guest"
[sockets.guest]
ListenStream = "/run/guest.sock"
"""
FIRST = 'execve("/usr/bin/guest", ["guest"], 0x7ffd /* 9 vars */) = 0\n'
CWD = "AT_FDCWD</srv>"
IP = 'sin_port=htons({}), sin_addr=inet_addr("{}")'
# A line → the needs that it shows.
LINES = {
    f'openat({CWD}, "/etc/passwd", O_RDONLY|O_CLOEXEC) = 3</etc/passwd>': (),
    f'openat({CWD}, "/home/anna/x", O_RDONLY) = 3</home/anna/x>': ("read:/home/anna/x",),
    f'openat({CWD}, "/home/anna/x", O_RDONLY) = -1 ENOENT (No such file or directory)': (),
    f'openat({CWD}, "x", O_WRONLY|O_CREAT, 0666) = 3</srv/x>': ("write:/srv",),
    'mkdirat(5</var/lib/guest>, "new", 0777) = 0': ("state",),
    'mkdir("/var/lib/other/new", 0777) = 0': ("state:other",),
    'mkdir("/var/lib/new", 0777) = 0': ("write:/var/lib",),
    f'openat({CWD}, "/var/log/guest/x", O_WRONLY|O_APPEND) = 3</x>': ("logs",),
    f'openat({CWD}, "/var/cache/guest/x", O_RDWR) = 3</x>': ("cache",),
    'rename("/run/guest/a", "/run/guest/b") = 0': ("runtime",),
    f'openat({CWD}, "/tmp/own", O_RDWR|O_CREAT, 0600) = 3</tmp/own>': (),
    f'openat({CWD}, "/tmp/theirs", O_RDONLY) = 3</tmp/theirs>': ("read:/tmp/theirs",),
    f'openat({CWD}, "/dev/null", O_RDWR) = 3</dev/null>': (),
    f'openat({CWD}, "/dev/fuse", O_RDWR) = 3</dev/fuse>': ("devices:/dev/fuse",),
    f'openat({CWD}, "/proc/self/maps", O_RDONLY) = 3</proc/1/maps>': (),
    f'openat({CWD}, "/proc/meminfo", O_RDONLY) = 3</proc/meminfo>': ("system-info",),
    f'openat({CWD}, "/proc/sys/kernel/x", O_WRONLY) = 3</x>': ("",),
    f"connect(3<TCP:[1]>, {{sa_family=AF_INET, {IP.format(443, '192.0.2.7')}}}, 16) = 0": (
        "network",
    ),
    f"connect(3<TCP:[1]>, {{sa_family=AF_INET, {IP.format(80, '127.0.0.1')}}}, 16) "
    "= -1 EINPROGRESS (Operation now in progress)": ("network:localhost",),
    'connect(3<UNIX-STREAM:[1]>, {sa_family=AF_UNIX, sun_path="/run/dbus/x"}, 22) = 0': ("unix",),
    'connect(3<UNIX-DGRAM:[1]>, {sa_family=AF_UNIX, sun_path="/tmp/activator-j9qk6soi/notify"}, 38)'
    " = 0": (),
    'connect(3<UNIX-STREAM:[1]>, {sa_family=AF_UNIX, sun_path="/var/run/nscd/socket"}, 110) '
    "= -1 ENOENT (No such file or directory)": (),
    f"bind(3<TCP:[1]>, {{sa_family=AF_INET, {IP.format(8080, '0.0.0.0')}}}, 16) = 0": (
        "listen:8080",
    ),
    "socket(AF_NETLINK, SOCK_RAW|SOCK_CLOEXEC, NETLINK_ROUTE) = 3<NETLINK:[1]>": (
        "family:AF_NETLINK",
    ),
    "mmap(NULL, 4096, PROT_READ|PROT_WRITE|PROT_EXEC, MAP_PRIVATE, -1, 0) = 0x7f": ("jit",),
    "mmap(NULL, 4096, PROT_READ|PROT_EXEC, MAP_PRIVATE, 3</lib/x.so>, 0) = 0x7f": (),
    "sched_setaffinity(0, 8, [0 1]) = 0": ("resources",),
    "clock_settime(CLOCK_REALTIME, {}) = -1 EPERM (Operation not permitted)": ("clock",),
    "io_uring_setup(8, {flags=0}) = -1 ENOSYS (Function not implemented)": (),
    "personality(PER_LINUX32) = 0": ("",),
    'execve("/bin/true", ["true"], 0x7ffd /* 9 vars */) = 0': (),
    "--- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED} ---": (),
}


def judged(lines: list[str], spec: str = SPEC) -> list[str]:
    """Return the needs that lines show."""
    judge = Judge(specfile.loads(spec))
    for call in trace.Process().calls(lines):
        judge.see(call)
    return [one.need for one in judge.verdict()]


@pytest.mark.parametrize("line", LINES)
def test_what_a_call_shows(line: str) -> None:
    """What the unit would stop is a need, and nothing else is."""
    assert list(LINES[line]) == judged([FIRST, line + "\n"])


def test_a_handler_needs_to_run_programs() -> None:
    """Its interpreter is all that it may run unasked."""
    handler = SPEC.replace("exec =", 'handler = "guest:serve"\npython =')
    lines = [FIRST, 'execve("/bin/true", ["true"], 0x1) = 0\n']
    assert ["exec"] == judged(lines, handler)
    # As it may if its interpreter is not known.
    assert [] == judged(lines, SPEC.replace('exec = "/usr/bin/guest"', 'handler = "guest:serve"'))


def test_a_unit_that_lets_no_program_run() -> None:
    """What it keeps from being run is a need, but for its own program."""
    judge = Judge(specfile.loads(SPEC), (), ("/usr/bin",))
    lines = [FIRST, 'execve("/usr/bin/env", ["env"], 0x1) = 0\n', 'execve("/opt/x", [], 0x1) = 0\n']
    for call in trace.Process().calls(lines):
        judge.see(call)
    assert [("exec", "/usr/bin/env")] == [(one.need, one.what) for one in judge.verdict()]


def test_a_backend_listens_where_it_likes() -> None:
    """The port behind a proxy is in a network of its own."""
    bind = "bind(3<TCP:[1]>, {{sa_family=AF_INET, " + IP + "}}, 16) = 0\n"
    proxied = f'mode = "proxy"\nbackend = 6379\n{SPEC}'
    assert [] == judged([FIRST, bind.format(6379, "0.0.0.0")], proxied)


def test_a_backend_has_no_network() -> None:
    """What it wants to reach shows by an error, under systemd; elsewhere that is the machine's."""
    connect = f"connect(3, {{sa_family=AF_INET, {IP.format(443, '192.0.2.7')}}}, 16) = -1"
    lines = [FIRST, f"{connect} ENETUNREACH (Network is unreachable)\n"]
    assert ["network"] == judged(lines, f'mode = "proxy"\nbackend = 6379\n{SPEC}')
    assert [] == judged(lines)


def test_a_long_run_takes_no_more_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what differs without an end so much is kept, and all of it is counted."""
    monkeypatch.setattr("activator.learn.judge._MOST_SEEN", 10)
    monkeypatch.setattr("activator.learn.judge._MOST_MADE", 10)
    opened = 'openat({CWD}, "/var/lib/guest/{}", O_WRONLY|O_CREAT, 0600) = 3</x>\n'
    judge = Judge(specfile.loads(SPEC))
    lines = [opened.format(number, CWD=CWD) for number in range(100)]
    for call in trace.Process().calls([FIRST, *lines]):
        judge.see(call)
    found = judge.verdict()
    assert {"state"} == {one.need for one in found}
    assert 11 == len(found)
    assert 100 == sum(one.times for one in found)


def test_paths_are_plain() -> None:
    """Names are bytes, .. leads up, and what is relative is below the working directory."""
    lines = [
        FIRST,
        f'openat({CWD}, "/home/j\\303\\274rgen/x", O_RDONLY) = 3</home/x>\n',
        'openat(AT_FDCWD</srv/app>, "../data/x", O_RDWR|O_CREAT, 0600) = 3</srv/data/x>\n',
        'chdir("/srv/other") = 0\n',
        'rename("a", "b") = 0\n',
        f'openat({CWD}, "//proc/cpuinfo", O_RDONLY) = 3</proc/cpuinfo>\n',
    ]
    expected = {"read:/home/jürgen/x", "write:/srv/data", "write:/srv/other", "system-info"}
    assert expected == set(judged(lines))


def test_what_no_need_can_be() -> None:
    """What a spec would not take is told as what no need opens."""
    assert [""] == judged([FIRST, f'openat({CWD}, "/root", O_RDONLY|O_DIRECTORY) = 3</root>\n'])


def test_one_need_covers_another() -> None:
    """What lies below a directory that is needed, and loopback beside the network, add nothing."""
    lines = [
        f'openat({CWD}, "/home/anna", O_RDONLY|O_DIRECTORY) = 3</home/anna>\n',
        f'openat({CWD}, "/home/anna/x", O_RDONLY) = 3</home/anna/x>\n',
        f"connect(3, {{sa_family=AF_INET, {IP.format(80, '127.0.0.1')}}}, 16) = 0\n",
        f"connect(3, {{sa_family=AF_INET, {IP.format(80, '192.0.2.1')}}}, 16) = 0\n",
    ]
    assert ["read:/home/anna"] * 2 + ["network"] * 2 == judged([FIRST, *lines])


def test_every_need_of_the_table() -> None:
    """A call is only judged by needs that there are."""
    for _, _, need in tables.rows(trace.__file__, "calls.tsv"):
        assert not need or hardening.find(need)
