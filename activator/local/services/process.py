"""Start one process: fork, place its descriptors, exec.

A fork and not posix_spawn, because LISTEN_PID must be the PID of the process itself, which
only the child knows before the exec. Between the two nothing but system calls is made. What
fails in the child comes back through a close-on-exec pipe as step and errno.

Source: sd_listen_fds(3), systemd.exec(5).
"""

import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from activator.common.descriptors import place

FIRST = 3  # SD_LISTEN_FDS_START
_EXIT_EXEC = 203  # systemd.exec(5): EXIT_EXEC
_STEPS = ("prepare", "chdir", "exec")
# Signals that somebody may handle or ignore here; an exec resets handlers by itself.
SIGNALS = (
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGPIPE,
    signal.SIGALRM,
    signal.SIGTERM,
    signal.SIGCHLD,
    signal.SIGTSTP,
    signal.SIGTTIN,
    signal.SIGTTOU,
    signal.SIGXFSZ,
    signal.SIGWINCH,
)


class StartFailed(Exception):  # noqa: N818 - always turned into the one error that users see
    """The child could not become the program.

    Args:
        step: ``prepare``, ``chdir``, ``exec``, or the directive of a setting.
        number: The errno.
    """

    def __init__(self, step: str, number: int) -> None:
        super().__init__(step, number)
        self.step = step
        self.errno = number


class Setting(NamedTuple):
    """Something that the child sets on itself before it becomes the program.

    Attributes:
        directive: What asks for it.
        function: What is called; it must not need anything that a fork breaks.
        arguments: What it is called with.
    """

    directive: str
    function: Callable[..., object]
    arguments: tuple[Any, ...]


@dataclass(frozen=True)
class Launch:
    """All that a child needs, so that nothing is computed after the fork.

    Attributes:
        program: The absolute path.
        argv: The arguments, from ``argv[0]`` on.
        environment: The environment, without those of pid_names.
        pid_names: Variables that get the child's own PID.
        streams: The descriptors that become 0, 1 and 2.
        descriptors: The descriptors that become 3, 4 and so on; they stay ours, too.
        directory: Where it starts.
        directory_optional: Whether a missing directory is no error.
        umask: Its file mode creation mask.
        ignore_sigpipe: Whether SIGPIPE is ignored, which is systemd's default.
        settings: What is set, in this order, before the directory is entered.
    """

    program: str
    argv: list[str]
    environment: dict[str, str]
    pid_names: Sequence[str]
    streams: tuple[int, int, int]
    descriptors: Sequence[int]
    directory: str
    directory_optional: bool = False
    umask: int = 0o022
    ignore_sigpipe: bool = True
    settings: Sequence[Setting] = ()


def start(launch: Launch) -> int:
    """Start a process and wait until it has become the program.

    It leads a session of its own, so a terminal's Ctrl-C does not reach it.

    Returns:
        Its PID; the caller waits for it.

    Raises:
        StartFailed: It could not be started; the child has been waited for.
        OSError: There can be no further process or descriptor.
    """
    reading, writing = os.pipe2(os.O_CLOEXEC)
    # A signal between fork and exec would run our handlers in the child, and a byte written
    # to the event loop's wake-up pipe there would be read here.
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        pid = os.fork()
        if pid == 0:
            _become(launch, writing)
    except BaseException:
        os.close(reading)
        raise
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        os.close(writing)
    with open(reading, "rb") as pipe:  # noqa: PTH123 - a descriptor
        report = pipe.read()
    if report:
        os.waitpid(pid, 0)
        steps = (*_STEPS, *(setting.directive for setting in launch.settings))
        raise StartFailed(steps[report[0]], int.from_bytes(report[1:], "little"))
    return pid


def _become(launch: Launch, report: int) -> None:
    """Turn the child into the program; never returns."""
    step = 0
    try:
        os.setsid()
        os.umask(launch.umask)
        report = _place([*launch.streams, *launch.descriptors], report)
        for setting in launch.settings:
            step = len(_STEPS) + launch.settings.index(setting)
            setting.function(*setting.arguments)
        step = 1
        _enter(launch)
        step = 2
        environment = launch.environment
        for name in launch.pid_names:
            environment[name] = str(os.getpid())
        _reset_signals(ignore_sigpipe=launch.ignore_sigpipe)
        os.execve(launch.program, launch.argv, environment)  # noqa: S606 - as it is meant
    except OSError as error:
        os.write(report, bytes([step]) + (error.errno or 0).to_bytes(4, "little"))
    except BaseException:  # noqa: BLE001 - the child must end here, whatever happens
        os.write(report, bytes([step]) + bytes(4))
    finally:
        os._exit(_EXIT_EXEC)


def _place(sources: Sequence[int], report: int) -> int:
    """Give the descriptors their numbers from 0 on, close all others but the report's.

    Returns:
        The report's new number.
    """
    free = len(sources)
    place(dict(enumerate([*sources, report])))
    os.set_inheritable(free, False)
    os.closerange(free + 1, os.sysconf("SC_OPEN_MAX"))
    return free


def _enter(launch: Launch) -> None:
    """Go to the working directory."""
    try:
        os.chdir(launch.directory)
    except OSError:
        if not launch.directory_optional:
            raise


def _reset_signals(*, ignore_sigpipe: bool) -> None:
    """Restore what a fresh process expects, and let signals through."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    if ignore_sigpipe:
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
