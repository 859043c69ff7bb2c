"""Tell all that an activated service sees, as JSON, to its first client, and end.

Runs inside a box as a service with the box's own Python; systemd.daemon alone finds the
descriptors. It answers on the first stream or sequential-packet socket that it is passed, or
on standard input. With ``tell PATH WORD`` it only appends what it sees, and the word, to a file.
"""

import ctypes
import fcntl
import json
import os
import resource
import select
import signal
import socket
import stat
import sys
from pathlib import Path

from systemd import daemon

SOCKET, TCP, IP, IPV6 = 1, 6, 0, 41
# Level and name of options that both IPv4, IPv6 and Unix sockets may have.
OPTIONS = {
    "reuseaddr": (SOCKET, socket.SO_REUSEADDR),
    "reuseport": (SOCKET, socket.SO_REUSEPORT),
    "rcvbuf": (SOCKET, socket.SO_RCVBUF),
    "sndbuf": (SOCKET, socket.SO_SNDBUF),
    "keepalive": (SOCKET, socket.SO_KEEPALIVE),
    "broadcast": (SOCKET, socket.SO_BROADCAST),
    "priority": (SOCKET, socket.SO_PRIORITY),
    "mark": (SOCKET, socket.SO_MARK),
    "passcred": (SOCKET, socket.SO_PASSCRED),
    "passsec": (SOCKET, socket.SO_PASSSEC),
    "passpidfd": (SOCKET, 76),
    "passrights": (SOCKET, 83),
    "timestamp": (SOCKET, 29),
    "timestampns": (SOCKET, 35),
    "device": (SOCKET, 25),
    "idle": (TCP, socket.TCP_KEEPIDLE),
    "interval": (TCP, socket.TCP_KEEPINTVL),
    "probes": (TCP, socket.TCP_KEEPCNT),
    "nodelay": (TCP, socket.TCP_NODELAY),
    "deferaccept": (TCP, socket.TCP_DEFER_ACCEPT),
    "congestion": (TCP, socket.TCP_CONGESTION),
    "v6only": (IPV6, socket.IPV6_V6ONLY),
    "hops": (IPV6, socket.IPV6_UNICAST_HOPS),
    "pktinfo6": (IPV6, socket.IPV6_RECVPKTINFO),
    "freebind6": (IPV6, 78),
    "transparent6": (IPV6, 75),
    "tos": (IP, socket.IP_TOS),
    "ttl": (IP, socket.IP_TTL),
    "pktinfo": (IP, 8),
    "freebind": (IP, 15),
    "transparent": (IP, 19),
}
LIMITS = {
    name.removeprefix("RLIMIT_"): getattr(resource, name)
    for name in dir(resource)
    if name.startswith("RLIMIT_")
} | {"LOCKS": 10}
DIRECTORIES = ("RUNTIME", "STATE", "CACHE", "LOGS", "CONFIGURATION")


def describe(fd: int) -> dict[str, object]:
    """Return what a descriptor is."""
    status = os.fstat(fd)
    facts: dict[str, object] = {
        "flags": fcntl.fcntl(fd, fcntl.F_GETFL),
        "cloexec": bool(fcntl.fcntl(fd, fcntl.F_GETFD) & fcntl.FD_CLOEXEC),
    }
    target = os.readlink(f"/proc/self/fd/{fd}")  # noqa: PTH115
    if stat.S_ISFIFO(status.st_mode):
        facts |= {"kind": "fifo", "size": fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ)}
        return facts | {"waiting": waiting(fd)} | node(target)
    if not stat.S_ISSOCK(status.st_mode):
        facts["kind"] = "memory" if "memfd" in target or "/tmp/#" in target else target
        return facts | queue(fd)
    with socket.socket(fileno=os.dup(fd)) as sock:
        facts["kind"] = f"{sock.family.name} {sock.type.name} {sock.proto}"
        facts["listening"] = listening = sock.getsockopt(SOCKET, socket.SO_ACCEPTCONN)
        name = sock.getsockname()
        facts["name"] = repr(name)
        for option, (level, number) in OPTIONS.items():
            text = option in ("device", "congestion")
            try:
                value = sock.getsockopt(level, number, *([16] if text else []))
                facts[option] = repr(value)
            except OSError as error:
                facts[option] = type(error).__name__
        if not listening and sock.type == socket.SOCK_DGRAM:
            facts["waiting"] = waiting(fd)
    return facts | (node(name) if isinstance(name, str) and name.startswith("/") else {})


def waiting(fd: int) -> str:
    """Return what can be read at once."""
    ready, _, _ = select.select([fd], [], [], 0)
    return os.read(fd, 100).decode() if ready else ""


def node(path: str) -> dict[str, object]:
    """Return a node's mode and owner, and those of its directory."""
    if not path.startswith("/"):
        return {}
    return {"node": owner(path), "directory": owner(os.path.dirname(path))}  # noqa: PTH120


def owner(path: str) -> list[object]:
    """Return a path's mode and owner."""
    try:
        status = os.lstat(path)
    except OSError as error:
        return [type(error).__name__]
    return [oct(stat.S_IMODE(status.st_mode)), status.st_uid, status.st_gid]


def queue(fd: int) -> dict[str, object]:
    """Return a message queue's attributes, nothing for what is none."""
    attributes = (ctypes.c_long * 8)()
    if ctypes.CDLL(None).mq_getattr(fd, attributes) < 0:
        return {}
    status = os.fstat(fd)
    return {"queue": list(attributes[:4]), "node": [oct(status.st_mode), status.st_uid]}


def status_lines() -> dict[str, str]:
    """Return what the kernel says about this process."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    fields = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    names = ("Umask", "SigBlk", "SigIgn", "SigCgt", "Uid", "Gid", "Groups", "NoNewPrivs")
    return {name: fields[name].strip() for name in names}


def directories() -> dict[str, object]:
    """Return the modes and owners of the service's own directories."""
    found: dict[str, object] = {}
    for kind in DIRECTORIES:
        for path in filter(None, os.environ.get(f"{kind}_DIRECTORY", "").split(":")):
            parent = os.path.dirname(path)  # noqa: PTH120
            links = [e for e in os.listdir(parent) if os.path.islink(f"{parent}/{e}")]  # noqa: PTH208, PTH114
            mine = [e for e in links if os.path.realpath(f"{parent}/{e}") == os.path.realpath(path)]
            found[path] = [owner(path), sorted(mine), sorted(os.listdir(path))]  # noqa: PTH208
    return found


def privileges() -> dict[str, object]:
    """Return what this process may do as the kernel has it."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    found = {line[:6]: line.split()[1] for line in lines if line.startswith("Cap")}
    return found | {"bits": ctypes.CDLL(None).prctl(27, 0, 0, 0, 0)}  # PR_GET_SECUREBITS


def scheduling() -> dict[str, object]:
    """Return how the kernel schedules this process."""
    libc = ctypes.CDLL(None)
    return {
        "policy": os.sched_getscheduler(0),
        "priority": os.sched_getparam(0).sched_priority,
        "io": libc.syscall(252 if os.uname().machine == "x86_64" else 31, 1, 0),  # ioprio_get
        "affinity": sorted(os.sched_getaffinity(0)),
        "slack": libc.prctl(30, 0, 0, 0, 0),  # PR_GET_TIMERSLACK
        "personality": libc.personality(-1),
        "dumped": Path("/proc/self/coredump_filter").read_text(encoding="ascii").strip(),
    }


def given() -> str:
    """Return what standard input holds, if it is a file."""
    if stat.S_ISREG(os.fstat(0).st_mode) or stat.S_ISFIFO(os.fstat(0).st_mode):
        return os.read(0, 1000).decode()
    return ""


def main() -> None:
    """Gather the facts first, then tell them."""
    descriptors = sorted(int(name) for name in os.listdir("/proc/self/fd"))[:-1]  # noqa: PTH208
    names = daemon.listen_fds_with_names(unset_environment=False)
    facts = {
        "argv": sys.argv[1:],
        "environ": dict(os.environ),
        "fds": {str(fd): describe(fd) for fd in descriptors},
        "names": {str(fd): name for fd, name in names.items()},
        "mine": os.environ.get("LISTEN_PID") == str(os.getpid()),
        "watched": os.environ.get("WATCHDOG_PID") == str(os.getpid()),
        "leader": os.getsid(0) == os.getpgid(0) == os.getpid(),
        "cwd": str(Path.cwd()),
        "status": status_lines(),
        "sigpipe": signal.getsignal(signal.SIGPIPE) is signal.SIG_IGN,
        "limits": {name: resource.getrlimit(number) for name, number in LIMITS.items()},
        "nice": os.getpriority(os.PRIO_PROCESS, 0),
        "score": Path("/proc/self/oom_score_adj").read_text(encoding="ascii").strip(),
        "directories": directories(),
        "scheduling": scheduling(),
        "privileges": privileges(),
        "stdin": given(),
    }
    if sys.argv[1:2] == ["tell"]:
        with Path(sys.argv[2]).open("a", encoding="utf-8") as file:
            file.write(json.dumps(facts) + "\n")
        return
    daemon.notify("READY=1")
    if os.environ.get("STORE") and len(names) == 1:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.connect(os.environ["NOTIFY_SOCKET"])
            for name in ("one", "two"):
                own = os.open("/dev/null", os.O_RDONLY)
                socket.send_fds(sock, [f"FDSTORE=1\nFDNAME={name}\nFDPOLL=0".encode()], [own])
        # Only when it has been read may this end.
        daemon.notify("STATUS=stored")
        os._exit(7)
    with answering([*names, 0, 1]) as sock:
        sock.setblocking(True)  # the service's own copy, which was described before
        peer = sock.accept()[0] if sock.getsockopt(SOCKET, socket.SO_ACCEPTCONN) else sock
        with peer:
            facts["read"] = peer.recv(100).decode()
            peer.sendall(json.dumps(facts).encode())


def answering(descriptors: list[int]) -> socket.socket:
    """Return the first socket that a client can be answered on."""
    for fd in descriptors:
        if stat.S_ISSOCK(os.fstat(fd).st_mode):
            sock = socket.socket(fileno=os.dup(fd))
            if sock.type != socket.SOCK_DGRAM and sock.family != socket.AF_NETLINK:
                return sock
            sock.close()
    raise SystemExit("no client can be answered")


if __name__ == "__main__":
    main()
