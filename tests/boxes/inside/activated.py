"""Tell all that an activated service sees, as JSON, and end.

Runs inside a box as a service with the box's own Python; it knows nothing of the project.
The first argument says whom to tell: the number of a listening descriptor, or of a connected
one, as in ``listener:4`` or ``connection:3``; the rest is reported.
"""

import fcntl
import json
import os
import signal
import socket
import stat
import sys
from pathlib import Path

# Level and name of options that both IPv4, IPv6 and Unix sockets may have.
OPTIONS = {
    "reuseaddr": (socket.SOL_SOCKET, socket.SO_REUSEADDR),
    "reuseport": (socket.SOL_SOCKET, socket.SO_REUSEPORT),
    "rcvbuf": (socket.SOL_SOCKET, socket.SO_RCVBUF),
    "sndbuf": (socket.SOL_SOCKET, socket.SO_SNDBUF),
    "keepalive": (socket.SOL_SOCKET, socket.SO_KEEPALIVE),
    "broadcast": (socket.SOL_SOCKET, socket.SO_BROADCAST),
    "priority": (socket.SOL_SOCKET, socket.SO_PRIORITY),
    "mark": (socket.SOL_SOCKET, socket.SO_MARK),
    "passcred": (socket.SOL_SOCKET, socket.SO_PASSCRED),
    "passsec": (socket.SOL_SOCKET, socket.SO_PASSSEC),
    "timestamp": (socket.SOL_SOCKET, 29),
    "timestampns": (socket.SOL_SOCKET, 35),
    "idle": (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
    "interval": (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL),
    "probes": (socket.IPPROTO_TCP, socket.TCP_KEEPCNT),
    "nodelay": (socket.IPPROTO_TCP, socket.TCP_NODELAY),
    "deferaccept": (socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT),
    "v6only": (socket.IPPROTO_IPV6, socket.IPV6_V6ONLY),
    "hops": (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS),
    "pktinfo6": (socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO),
    "freebind6": (socket.IPPROTO_IPV6, 78),
    "transparent6": (socket.IPPROTO_IPV6, 75),
    "tos": (socket.IPPROTO_IP, socket.IP_TOS),
    "ttl": (socket.IPPROTO_IP, socket.IP_TTL),
    "pktinfo": (socket.IPPROTO_IP, 8),
    "freebind": (socket.IPPROTO_IP, 15),
}


def describe(fd: int) -> dict[str, object]:
    """Return what a descriptor is."""
    status = os.fstat(fd)
    facts: dict[str, object] = {
        "blocking": os.get_blocking(fd),
        "cloexec": bool(fcntl.fcntl(fd, fcntl.F_GETFD) & fcntl.FD_CLOEXEC),
    }
    if stat.S_ISFIFO(status.st_mode):
        return facts | {"kind": "fifo", "size": fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ)}
    if not stat.S_ISSOCK(status.st_mode):
        return facts | {"kind": os.readlink(f"/proc/self/fd/{fd}")}  # noqa: PTH115
    with socket.socket(fileno=os.dup(fd)) as sock:
        facts["kind"] = f"{sock.family.name} {sock.type.name} {sock.proto}"
        facts["listening"] = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        facts["name"] = repr(sock.getsockname())
        for name, (level, option) in OPTIONS.items():
            try:
                facts[name] = sock.getsockopt(level, option)
            except OSError as error:
                facts[name] = type(error).__name__
    return facts


def status_lines() -> dict[str, str]:
    """Return what the kernel says about the signals and the mask of this process."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    fields = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    return {name: fields[name] for name in ("Umask", "SigBlk", "Uid", "Gid")}


def main() -> None:
    """Gather the facts first, then tell them."""
    descriptors = sorted(int(name) for name in os.listdir("/proc/self/fd"))[:-1]  # noqa: PTH208
    facts = {
        "argv": sys.argv[2:],
        "environ": dict(os.environ),
        "fds": {str(fd): describe(fd) for fd in descriptors},
        "mine": os.environ.get("LISTEN_PID") == str(os.getpid()),
        "leader": os.getsid(0) == os.getpgid(0) == os.getpid(),
        "cwd": str(Path.cwd()),
        "status": status_lines(),
        "sigpipe": signal.getsignal(signal.SIGPIPE) is signal.SIG_IGN,
        "sigterm": signal.getsignal(signal.SIGTERM) is signal.SIG_DFL,
    }
    role, _, number = sys.argv[1].partition(":")
    with socket.socket(fileno=os.dup(int(number))) as sock:
        # The service's own copy, which was described before, may be non-blocking.
        sock.setblocking(True)
        peer = sock.accept()[0] if role == "listener" else sock
        with peer:
            peer.sendall(json.dumps(facts).encode())


if __name__ == "__main__":
    main()
