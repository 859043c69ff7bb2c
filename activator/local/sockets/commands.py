"""Run the commands of a socket unit, one after the other.

Source: systemd.socket(5), ExecStartPre= and TimeoutSec=.
"""

import asyncio
import math
import signal
from collections.abc import Mapping, Sequence

from activator.errors import ActivatorError
from activator.local.services import results
from activator.local.services.context import Context
from activator.local.services.environment import PID_NAMES
from activator.local.services.spawn import Child, Passed, Spawner
from activator.local.units.service_model import ExecCommand, Statuses


async def run_commands(
    spawner: Spawner,
    commands: Sequence[ExecCommand],
    given: Mapping[str, str],
    passed: Sequence[Passed],
    *,
    timeout: float,  # noqa: ASYNC109 - each command has its own
    context: Context,
) -> None:
    """Run commands until one fails.

    Args:
        spawner: Starts them.
        commands: The commands.
        given: What is added to their environment.
        passed: The descriptors that they get.
        timeout: Seconds that each may take, until SIGTERM and again until SIGKILL.
        context: What all units share.

    Raises:
        ActivatorError: One has failed.
    """
    for command in commands:
        names = PID_NAMES if passed else PID_NAMES[2:]
        try:
            pid = spawner.start(command, given, passed, pid_names=names)
            status = await _end_of(pid, timeout, context)
        except ActivatorError:
            if command.may_fail:
                continue
            raise
        if results.judge(status, Statuses(), daemon=False) != results.SUCCESS:
            if command.may_fail:
                continue
            what = f"{command.path} {results.how(status)}"
            raise ActivatorError(what, "see its output", place=command.place)


async def _end_of(pid: int, timeout: float, context: Context) -> int | None:  # noqa: ASYNC109
    """Wait for a process; return its exit status."""
    ended: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
    child = Child(pid, context, ended.set_result)
    try:
        for number in (signal.SIGTERM, signal.SIGKILL):
            limit = None if math.isinf(timeout) else timeout
            done, _ = await asyncio.wait([ended], timeout=limit)
            if done:
                return ended.result()
            child.signal(number)
        return await ended
    except asyncio.CancelledError:
        child.signal(signal.SIGKILL)
        child.wait()
        raise
