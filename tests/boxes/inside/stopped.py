"""Do one thing that a sandbox stops, as a service; then serve the socket it was passed.

Runs inside a box and knows nothing of the project. An error is not caught: its traceback is what
people see.
"""

import ctypes
import mmap
import os
import resource
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

LIBC = ctypes.CDLL(None, use_errno=True)
IO_URING_SETUP, CLOCK_ADJTIME = 425, 305


def call(name: str, number: int, *arguments: object) -> None:
    """Make a system call, and say its name if it fails."""
    if LIBC.syscall(ctypes.c_long(number), *arguments) < 0:
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")


def read(path: str) -> None:
    """Read a file."""
    Path(path).read_bytes()[:1]


def device(path: str) -> None:
    """Read a byte of a device."""
    os.close(os.open(path, os.O_RDONLY))


def write(path: str) -> None:
    """Write a file, and remove it."""
    Path(path).write_text("x")
    Path(path).unlink()


def rewrite(path: str) -> None:
    """Write to a file what is in it."""
    Path(path).write_text(Path(path).read_text())


def resolve() -> None:
    """Resolve a name."""
    socket.getaddrinfo("peer.example", 80, socket.AF_INET)


def database() -> None:
    """Open a database where it may be."""
    directory = os.environ.get("STATE_DIRECTORY", "/var/lib/nobody")
    sqlite3.connect(f"{directory}/x.db").execute("create table if not exists t (a)")


def database_in(directory: str) -> None:
    """Open a database in a directory, whichever may be its own."""
    sqlite3.connect(f"{directory}/x.db").execute("create table if not exists t (a)")


def memory() -> None:
    """Map memory to write and to run."""
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close()


def trap() -> None:
    """End as V8 does that may not make code."""
    try:
        memory()
    except OSError:
        os.kill(os.getpid(), signal.SIGTRAP)


def bind(port: str) -> None:
    """Listen on a port of its own."""
    with socket.socket() as own:
        try:
            own.bind(("127.0.0.1", int(port)))
        except OSError as error:
            raise OSError(error.errno, f"bind: port {port}: {error.strerror}") from None


def connect(address: str) -> None:
    """Have a route to an address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        own.connect((address, 9))


def unix(path: str) -> None:
    """Connect to a UNIX socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as own:
        own.connect(path)


def netlink() -> None:
    """Open a socket of the kernel's."""
    socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).close()


def group() -> None:
    """Make a process group below its own."""
    own = Path("/proc/self/cgroup").read_text().strip().rpartition("::")[2]
    Path(f"/sys/fs/cgroup{own}/x").mkdir()


def threads() -> None:
    """Start some threads."""
    started = [threading.Thread(target=time.sleep, args=(0.2,)) for _ in range(8)]
    for thread in started:
        thread.start()


def affinity() -> None:
    """Choose processors."""
    os.sched_setaffinity(0, os.sched_getaffinity(0))


def namespace() -> None:
    """Make a user namespace."""
    subprocess.run(["/usr/bin/unshare", "--user", "true"], check=True)


def chown() -> None:
    """Change a file's owner to what it is."""
    Path("/tmp/own").write_text("x")
    os.chown("/tmp/own", os.getuid(), os.getgid())


def hostname() -> None:
    """Set the host's name to what it is."""
    socket.sethostname(socket.gethostname())


def program() -> None:
    """Make a program and run it."""
    path = Path("/tmp/program")
    path.write_text("#!/bin/sh\n")
    path.chmod(0o700)
    subprocess.run([path], check=True)


def ring() -> None:
    """Set a ring up; what the kernel itself has against it is no matter."""
    try:
        call("io_uring_setup", IO_URING_SETUP, 1, ctypes.create_string_buffer(120))
    except OSError as error:
        if not Path("/proc/sys/kernel/io_uring_disabled").exists() or refused(IO_URING_SETUP):
            raise OSError(error.errno, str(error.strerror)) from None


def refused(number: int) -> bool:
    """Tell whether a filter refuses a call: one without arguments that make sense."""
    LIBC.syscall(ctypes.c_long(number), 0, None)
    return ctypes.get_errno() == 1


ACTS: dict[str, Callable[..., None]] = {
    name: act for name, act in list(globals().items()) if callable(act) and not name.startswith("_")
}

if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ACTS[sys.argv[1]](*sys.argv[2:])
    listener = socket.socket(fileno=3)
    while True:
        connection, _ = listener.accept()
        connection.sendall(b"served")
        connection.close()
