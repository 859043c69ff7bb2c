"""Threads that start processes with posix_spawn(3), so that nothing else has to wait for it.

Until its program runs, a new process has the memory of whoever has started it, who stands still
meanwhile: on a busy machine that is as long as others have their turn. So threads stand still,
the lock of the interpreter released (ctypes), and the event loop goes on with all else.

Source: posix_spawn(3), vfork(2), unshare(2) for a umask of each thread's own.
"""

import asyncio
import ctypes
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from queue import SimpleQueue
from select import POLLIN, poll

_THREADS = 2
_SETSIGDEF, _SETSIGMASK, _SETSID = 0x04, 0x08, 0x80  # <spawn.h>, of glibc and musl alike
_CLONE_FS = 0x200
# Larger than the structures of any C library.
_Actions, _Raw = ctypes.c_char * 256, ctypes.c_char * 1024

_libc = ctypes.CDLL(None)  # its calls release the interpreter's lock, those of _quick do not
_quick = ctypes.PyDLL(None)
_posix_spawn = _libc.posix_spawn
_init_actions = _quick.posix_spawn_file_actions_init
_destroy_actions = _quick.posix_spawn_file_actions_destroy
_wake = _quick.eventfd_write
_add_dup2 = _quick.posix_spawn_file_actions_adddup2
_add_chdir = getattr(_quick, "posix_spawn_file_actions_addchdir_np", None)


class Attributes:
    """What a new process has that its parent has not: a session, no signals blocked or ignored.

    Args:
        ignored: The signals that stay as they are here.
    """

    def __init__(self, ignored: Iterable[int] = ()) -> None:
        none, default = _Raw(), _Raw()
        _quick.sigemptyset(none)
        _quick.sigfillset(default)
        for number in ignored:
            _quick.sigdelset(default, number)
        self.raw = _Raw()
        _quick.posix_spawnattr_init(self.raw)
        _quick.posix_spawnattr_setsigmask(self.raw, none)
        _quick.posix_spawnattr_setsigdefault(self.raw, default)
        flags = _SETSIGDEF | _SETSIGMASK | _SETSID
        _quick.posix_spawnattr_setflags(self.raw, ctypes.c_short(flags))


class Job:
    """A process to be started.

    Args:
        program: The program's path.
        argv: Its arguments, the first one being its name.
        environment: Its variables, as NAME=VALUE.
        streams: The descriptors that become its 0, 1 and so on; they stay the caller's, who
            keeps them open until the job is done.
        attributes: See there; not to be changed meanwhile.
        directory: Its working directory; empty for ours.
        umask: Its umask.
        on_done: Called in the event loop's thread, with this.

    Attributes:
        pid: The process, once it is done; 0 if it could not be started.
        errno: Why not.
    """

    def __init__(
        self,
        program: str,
        argv: Sequence[bytes],
        environment: Sequence[bytes],
        streams: Sequence[int],
        *,
        attributes: Attributes,
        directory: str,
        umask: int,
        on_done: Callable[["Job"], None],
    ) -> None:
        self.pid = self.errno = 0
        self.umask = umask
        self.on_done = on_done
        self._program = os.fsencode(program)
        self._argv = (ctypes.c_char_p * (len(argv) + 1))(*argv)
        self._environment = (ctypes.c_char_p * (len(environment) + 1))(*environment)
        self._attributes = attributes
        self._actions = _Actions()
        _init_actions(self._actions)
        for number, descriptor in enumerate(streams):
            _add_dup2(self._actions, descriptor, number)
        if directory and _add_chdir is not None:
            _add_chdir(self._actions, os.fsencode(directory))

    def run(self) -> None:
        """Start it, and wait until its program runs."""
        pid = ctypes.c_int()
        self.errno = _posix_spawn(
            ctypes.byref(pid),
            self._program,
            self._actions,
            self._attributes.raw,
            self._argv,
            self._environment,
        )
        _destroy_actions(self._actions)
        if not self.errno:
            self.pid = pid.value


class Spawners:
    """The threads; they are there from the first job on, until :meth:`close`.

    What they start are children of this process as any others (fork(2)), though /proc lists
    them with the thread.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._done: deque[Job] = deque()
        self._left = 0  # jobs whose end has not been told
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._loop.add_reader(self._wake, self._tell)
        self._woken = False
        self._umask = _own_umask()
        answers: SimpleQueue[bool] = SimpleQueue()
        self._threads = [
            threading.Thread(target=self._work, args=(answers,), daemon=True, name=f"spawner-{n}")
            for n in range(_THREADS)
        ]
        for thread in self._threads:
            thread.start()
        self._own_umasks = False not in [answers.get() for _ in self._threads]

    def can(self, directory: str, umask: int) -> bool:
        """Tell whether processes can have such a working directory and umask.

        In a container the kernel may refuse a thread a umask of its own.
        """
        return (self._own_umasks or umask == self._umask) and (
            not directory or _add_chdir is not None
        )

    def start(self, job: Job) -> None:
        """Have a process started soon."""
        self._left += 1
        self._jobs.put(job)

    def settle(self) -> None:
        """Wait until all jobs are done, and tell of them; that takes milliseconds."""
        poller = poll()
        poller.register(self._wake, POLLIN)
        while self._left:
            if not self._done:
                poller.poll()
            self._tell()

    def close(self) -> None:
        """Finish what was begun, and end the threads."""
        if self._wake < 0:
            return
        self.settle()
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()
        self._loop.remove_reader(self._wake)
        os.close(self._wake)
        self._wake = -1

    def _work(self, answers: "SimpleQueue[bool]") -> None:
        """Start processes, in a thread."""
        # Those that are for this process are the main thread's.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        own_umask = _libc.unshare(_CLONE_FS) == 0
        answers.put(own_umask)
        umask, one = self._umask, ctypes.c_uint64(1)
        while (job := self._jobs.get()) is not None:
            if job.umask != umask and own_umask:
                umask = job.umask
                os.umask(umask)
            job.run()
            self._done.append(job)
            if not self._woken:
                self._woken = True
                _wake(self._wake, one)

    def _tell(self) -> None:
        """Tell of the jobs that are done."""
        with suppress(BlockingIOError):  # somebody waits in settle()
            os.eventfd_read(self._wake)
        self._woken = False  # before looking, so that what comes now wakes us again
        while self._done:
            job = self._done.popleft()
            self._left -= 1
            job.on_done(job)


def _own_umask() -> int:
    """Return the umask of this process."""
    umask = os.umask(0o077)
    os.umask(umask)
    return umask
