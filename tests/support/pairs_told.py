"""Pairs of units around what services tell: messages, PID files, what they store."""

import textwrap

from tests.support.pair import POST, TAKES, WAIT, Pair, life, say, serve

_NOTIFY = "from systemd import daemon as d; n=lambda t: d.notify(t.replace('#',chr(10)))"
_NAMED = "n('MAINPID=%%d#READY=1' %% p)"


def _child(seconds: float) -> str:
    """Return what makes a child, p, that ends after a time, with status 4."""
    return f"p=os.fork(); p or (time.sleep({seconds}), os._exit(4))"


def _tells(name: str, then: str, count: int = 1) -> Pair:
    return life(name, f"{_NOTIFY}; {then}", "Type=notify", "NotifyAccess=all", count=count)


_MAIN = [
    _tells("main-child", f"{_child(2)}; {_NAMED}; sys.exit(3)"),
    _tells("main-kept", f"{_child(1)}; {_NAMED}; time.sleep(3); sys.exit(3)"),
    _tells("main-waited", f"{_child(1)}; {_NAMED}; os.waitpid(p,0); time.sleep(0.3); "
           "os.write(os.open('LOG',1089), b'parent'+bytes([10])); sys.exit(3)", 2),
    _tells("main-gone", f"{_child(0)}; os.waitpid(p,0); {_NAMED}; time.sleep(0.2); sys.exit(5)"),
    _tells("main-first", "n('MAINPID=1#READY=1'); time.sleep(0.2); sys.exit(5)"),
    _tells("main-own", "n('MAINPID=%%d#READY=1' %% os.getpid()); time.sleep(0.2); sys.exit(5)"),
    _tells("main-unready", f"{_child(2)}; n('MAINPID=%%d' %% p); time.sleep(0.1); sys.exit(3)"),
]  # fmt: skip


def _pid_file(name: str, script: str, *lines: str, count: int) -> Pair:
    """Return a pair with a PID file; of its script the last part takes the client."""
    command = f"ExecStart=/bin/sh -c '{script}'"
    return Pair(name, "", "\n".join([f"PIDFile=/run/pair/{name}.pid", command, *lines,
                                     f"ExecStop={say('stop')}", POST]), lines=count)  # fmt: skip


_SERVE, _FORKING, _WRITE = f"exec {serve('0')}", "Type=forking", "echo $! >$PIDFILE"
_PID_FILES = [
    _pid_file("pid-after", f"(sleep 6; exit 3) & echo $! >/run/pair/pid-after; {_SERVE}",
              _FORKING, "ExecStartPost=/bin/sh -c 'cp /run/pair/pid-after $PIDFILE; "
              "echo main$MAINPID >>LOG'", count=2),
    _pid_file("pid-never", _SERVE, _FORKING, f"ExecStartPost={say('post')}", count=3),
    _pid_file("pid-late", f"(sleep 7; exit 3) & p=$!; (sleep 3; echo $p >$PIDFILE) & {_SERVE}",
              _FORKING, f"ExecStartPost={say('post')}", count=2),
    _pid_file("pid-other", f"exec {serve('time.sleep(0.5); sys.exit(2)')}",
              f"ExecStartPost=/bin/sh -c 'sleep 6 & {_WRITE}; echo post >>LOG'", count=3),
    _pid_file("pid-moves", f"(sleep 4; exit 5) & {_WRITE}; exec {serve('sys.exit(3)')}",
              count=1),
    _pid_file("pid-moves-on", "(sleep 7; exit 5) & p=$!; (sleep 4; echo $p >$PIDFILE; exit 4) "
              f"& {_WRITE}; {_SERVE}", _FORKING, count=1),
]  # fmt: skip
_AFTER = [
    Pair("post-fails", "", f"Type=oneshot\nRemainAfterExit=yes\nExecStart={serve('0')}\n"
         f"ExecStartPost=/bin/false\nExecStartPost={say('never')}\nExecStop={say('stop')}\n{POST}",
         lines=1),
    Pair("post-fails-late", "", f"ExecStart={serve(WAIT)}\nExecStartPost=/bin/sh -c 'sleep 4; "
         f"exit 1'\nExecStop={say('stop')}\nRestart=on-failure\n{POST}\n[Unit]\nStartLimitBurst=1",
         lines=1),
    Pair("post-hangs", "", f"ExecStart={serve(WAIT)}\nExecStartPost=/bin/sleep 100\n"
         f"TimeoutStartSec={TAKES}\nExecStop={say('stop')}\n{POST}", lines=1),
    Pair("post-outlives", "", f"ExecStart={serve('sys.exit(3)')}\nExecStartPost=/bin/sleep 4\n"
         f"ExecStartPost={say('second')}\nExecStop={say('stop')}\n{POST}", lines=2),
]  # fmt: skip

# Tells what it was passed; when it has but its socket it stores something, takes its client
# and fails, so that it is started again.
_STORES = """\
import fcntl, os, socket, time
def send(text, *fds):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.connect(os.environ["NOTIFY_SOCKET"])
        socket.send_fds(sock, [text.encode()], fds)
def store(fd, name="x", more=""):
    send(f"FDSTORE=1\\nFDNAME={name}{more}", fd)
def settle():
    reading, writing = os.pipe()
    send("BARRIER=1", writing)
    os.close(writing)
    os.read(reading, 1)
def null():
    return os.open("/dev/null", os.O_WRONLY)
def kind(fd):
    return os.readlink(f"/proc/self/fd/{fd}").partition(":")[0], fcntl.fcntl(fd, fcntl.F_GETFL)
passed = [kind(fd) for fd in range(3, 3 + int(os.environ["LISTEN_FDS"]))]
with open(os.environ["TOLD"], "a") as told:
    print(os.environ["LISTEN_FDNAMES"], passed, file=told)
if len(passed) == 1:
    STORES
    settle()
    socket.socket(fileno=3).accept()[0].close()
    os._exit(1)
time.sleep(1000)
"""


def _stores(name: str, what: str, most: int = 30) -> Pair:
    """Return a pair whose service stores something and is started again."""
    script = _STORES.replace("STORES", textwrap.indent(textwrap.dedent(what), "    ").strip())
    service = f"ExecStart=/usr/bin/python3 /run/pair/{name}.py\nEnvironment=TOLD=LOG\n"
    service += f"FileDescriptorStoreMax={most}\nRestart=on-failure\nRestartSec=50ms"
    return Pair(name, "", service, lines=2, files={f"/run/pair/{name}.py": script})


_STORE = [
    _stores("store-names", """\
        for name in ("b", "a", "b", "", "c:d", "\\u00e9", "x" * 255, "x" * 256):
            store(null(), name)
        send("FDSTORE=1", os.open("/dev/zero", os.O_RDWR | os.O_NONBLOCK))
        """),
    _stores("store-same", """\
        reading, writing = os.pipe()
        one, other = socket.socketpair()
        file, null = null(), null()
        for fd in (one.fileno(), other.fileno(), file, null, reading, writing, 3):
            store(fd)
            store(os.dup(fd))
        store(one.fileno(), "again")
        """),
    _stores("store-remove", """\
        for name in ("a", "b", "a", "c", "", "stored"):
            store(null(), name)
        for words in ("\\nFDNAME=a", "", "\\nFDNAME=none", "\\nFDNAME=\\nFDSTORE=1"):
            send(f"FDSTOREREMOVE=1{words}", null())
        """),
    _stores("store-hang-up", """\
        one, two = socket.socketpair()
        three, four = socket.socketpair()
        reading, writing = os.pipe()
        store(one.fileno(), "gone")
        store(three.fileno(), "kept", "\\nFDPOLL=0")
        store(reading, "pipe")
        store(null(), "null")
        settle()
        for each in (one, two, three, four):
            each.close()
        os.close(writing)
        time.sleep(1)
        """),
    _stores("store-full", """\
        for name in "abcd":
            store(null(), name)
        send("FDSTOREREMOVE=1\\nFDNAME=a")
        store(null(), "e")
        """, 2),
]  # fmt: skip
TOLD = [*_MAIN, *_PID_FILES, *_AFTER, *_STORE]
