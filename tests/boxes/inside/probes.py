"""Try things that hardening may forbid, and tell how it went.

Runs inside a box, as a service with a connection as standard input and output; it knows
nothing of the project. It reads lines, each a probe's name and its arguments, tries each in
a process of its own, and answers with a line: "ok" with a result, or the name of the error.
"""

import ctypes
import errno
import mmap
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

LIBC = ctypes.CDLL(None, use_errno=True)
# System calls that Python has no function for, on x86-64 (and ARM64).
ARM = os.uname().machine == "aarch64"
ADJTIMEX = 171 if ARM else 159
DELETE_MODULE = 106 if ARM else 176
IO_URING_SETUP = 425
MEMFD_CREATE = 279 if ARM else 319
MOUNT = 40 if ARM else 165
PTRACE = 117 if ARM else 101
SETHOSTNAME = 161 if ARM else 170
SHMGET = 194 if ARM else 29
SYSLOG = 116 if ARM else 103
UNSHARE = 97 if ARM else 272


def call(number: int, *arguments: object) -> int:
    """Make a system call."""
    result = LIBC.syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), "system call")
    return int(result)


def tcp(host: str, port: str) -> str:
    """Connect, and have a byte echoed."""
    # What a filter drops never comes; what is let through comes when the peer has been started.
    with socket.create_connection((host, int(port)), timeout=3) as peer:
        peer.settimeout(60)
        peer.sendall(b"x")
        peer.shutdown(socket.SHUT_WR)
        return peer.recv(1).decode()


def listen(port: str) -> str:
    """Listen on a TCP port, and connect to it."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", int(port)))
        listener.listen()
        with socket.create_connection(("127.0.0.1", int(port)), timeout=10):
            return ""


def unix(path: str) -> str:
    """Connect to a UNIX socket, and have a byte echoed."""
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(path)
        peer.sendall(b"x")
        peer.shutdown(socket.SHUT_WR)
        return peer.recv(1).decode()


def family(name: str) -> str:
    """Open a raw socket of a family."""
    socket.socket(getattr(socket, name), socket.SOCK_RAW).close()
    return ""


def network() -> str:
    """Return the identity of the network namespace."""
    return str(Path("/proc/self/ns/net").readlink())


def read(path: str) -> str:
    """Read a file."""
    return Path(path).read_text().strip()


def listing(path: str) -> str:
    """List a directory."""
    return " ".join(sorted(os.listdir(path)))  # noqa: PTH208 - the names are wanted


def write(path: str) -> str:
    """Write to a file, and remove it."""
    Path(path).write_text("x")
    Path(path).unlink()
    return ""


def rewrite(path: str) -> str:
    """Write to a file what is in it."""
    Path(path).write_text(Path(path).read_text())
    return ""


def directory(variable: str) -> str:
    """Leave a file in the directory that a variable names; tell the directory's mode."""
    path = Path(os.environ[variable])
    before = (path / "mark").exists()
    (path / "mark").write_text("x")
    return f"{path.stat().st_mode & 0o777:o} {'again' if before else 'first'}"


def run(path: str) -> str:
    """Make a program at a path and run it."""
    Path(path).write_text("#!/bin/sh\necho ran\n")
    Path(path).chmod(0o700)
    return subprocess.run([path], capture_output=True, check=True, text=True).stdout.strip()


def device(path: str) -> str:
    """Read a byte from a device."""
    with open(path, "r+b", buffering=0) as file:  # noqa: PTH123 - devices are opened
        return file.read(1).hex()


def jit() -> str:
    """Make machine code: memory to write and to run."""
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close()
    return ""


def memfd() -> str:
    """Make a file in memory, which could be run."""
    os.close(call(MEMFD_CREATE, b"probe", 0))
    return ""


def own_shared_memory() -> str:
    """Use shared memory as multiprocessing does."""
    return write("/dev/shm/own")


def processes() -> str:
    """Compute in other processes, with locks and shared memory."""
    with multiprocessing.get_context("fork").Pool(2) as pool:
        return str(sum(pool.map(int, "234")))


def sysv(key: str) -> str:
    """Attach to the shared memory of somebody else."""
    call(SHMGET, int(key), 0, 0)
    return ""


def identity() -> str:
    """Return user and group."""
    return f"{os.getuid()} {os.getgid()}"


def priority() -> str:
    """Be nice."""
    return str(os.nice(1))


def realtime() -> str:
    """Ask for realtime scheduling."""
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    return ""


def namespace(flag: str) -> str:
    """Make a namespace of a kind."""
    call(UNSHARE, int(flag, 16))
    return ""


def mount() -> str:
    """Mount a file system within namespaces of our own."""
    uid = os.getuid()
    call(UNSHARE, 0x10020000)
    Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
    call(MOUNT, b"none", b"/tmp", b"tmpfs", 0, None)
    return ""


def ptrace() -> str:
    """Let the parent trace us."""
    pid = os.fork()
    if not pid:
        try:
            call(PTRACE, 0, 0, 0, 0)
        except OSError as error:
            os._exit(error.errno or 255)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status:
        raise OSError(status, "ptrace")
    return ""


def cgroup() -> str:
    """Make a process group of our own."""
    path = Path("/proc/self/cgroup").read_text().rpartition("0::")[2].strip()
    (Path("/sys/fs/cgroup") / path.lstrip("/") / "probe").mkdir()
    return ""


def clock() -> str:
    """Ask for the state of the clock."""
    call(ADJTIMEX, ctypes.create_string_buffer(512))
    return ""


def hostname() -> str:
    """Give the host the name that it has."""
    name = os.uname().nodename.encode()
    call(SETHOSTNAME, name, len(name))
    return ""


def kernel_log() -> str:
    """Ask for the size of the kernel's log."""
    call(SYSLOG, 10, None, 0)
    return ""


def module() -> str:
    """Unload a kernel module that does not exist."""
    call(DELETE_MODULE, b"no_such_module", 0)
    return ""


def io_uring() -> str:
    """Set up an io_uring."""
    os.close(call(IO_URING_SETUP, 4, ctypes.create_string_buffer(256)))
    return ""


def chown() -> str:
    """Change the owner of a file of our own, to whom it belongs."""
    path = Path("/tmp/chown")
    path.write_text("")
    os.chown(path, os.getuid(), os.getgid())
    return ""


PROBES: dict[str, Callable[..., str]] = {
    probe.__name__: probe
    for probe in (
        *(
            tcp,
            listen,
            unix,
            family,
            network,
            read,
            listing,
            write,
            rewrite,
            directory,
            run,
            device,
        ),
        *(
            jit,
            memfd,
            own_shared_memory,
            processes,
            sysv,
            identity,
            priority,
            realtime,
            namespace,
            mount,
        ),
        *(ptrace, cgroup, clock, hostname, kernel_log, module, io_uring, chown),
    )
}


def answer(line: str) -> str:
    """Try what a line asks for."""
    name, *arguments = line.split()
    try:
        return f"ok {PROBES[name](*arguments)}".rstrip()
    except TimeoutError:
        return "ETIMEDOUT"
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))
    except (KeyError, subprocess.SubprocessError) as error:
        return f"{type(error).__name__} {error}"


def main() -> None:
    """Answer every line; what a probe changes in its process is gone with it."""
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            signal.alarm(100)
            print(answer(line), flush=True)  # noqa: T201
            os._exit(0)
        if os.waitpid(pid, 0)[1]:
            print("killed", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
