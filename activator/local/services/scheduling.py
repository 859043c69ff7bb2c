"""What a child sets on itself about its scheduling, in systemd's order.

Source: systemd.exec(5), sched(7), ioprio_set(2), prctl(2), personality(2), core(5). What only
root may set is left as it is for anybody else.
"""

import ctypes
import os
import sys
from collections.abc import Callable, Iterator

from activator.local.services.process import Setting
from activator.local.units.service_model import Scheduling

# Machine → the number of ioprio_set(2), which libc does not have; of 64-bit programs.
_IOPRIO_SET = {
    "x86_64": 251,
    "aarch64": 30,
    "riscv64": 30,
    "loongarch64": 30,
    "ppc64le": 273,
    "s390x": 282,
}
_THIS_PROCESS = 1
_PR_SET_TIMERSLACK = 29
_LONGEST = 2**32
_libc = ctypes.CDLL(None, use_errno=True)


def scheduling_settings(wanted: Scheduling) -> Iterator[Setting]:
    """Yield what is to be set."""
    if wanted.dumped is not None:
        yield Setting("CoredumpFilter", _filter, (wanted.dumped,))
    if wanted.policy is not None:
        policy = wanted.policy | (os.SCHED_RESET_ON_FORK if wanted.reset_on_fork else 0)
        scheduler = (os.sched_setscheduler, 0, policy, os.sched_param(wanted.priority))
        yield Setting("CPUSchedulingPolicy", _permitted, scheduler)
    if wanted.affinity:
        yield Setting("CPUAffinity", os.sched_setaffinity, (0, wanted.affinity))
    number = _IOPRIO_SET.get(os.uname().machine) if sys.maxsize > _LONGEST else None
    if wanted.io is not None and number is not None:
        disk = (_call, _libc.syscall, number, _THIS_PROCESS, 0, wanted.io)
        yield Setting("IOSchedulingClass", _permitted, disk)
    if wanted.timer_slack is not None:
        slack = ctypes.c_ulong(wanted.timer_slack)
        yield Setting("TimerSlackNSec", _call, (_libc.prctl, _PR_SET_TIMERSLACK, slack, 0, 0, 0))
    if wanted.personality is not None:
        personality = ctypes.c_ulong(wanted.personality)
        yield Setting("Personality", _call, (_libc.personality, personality))


def _call(function: Callable[..., int], *arguments: object) -> None:
    """Call a function of libc.

    Raises:
        OSError: It has failed.
    """
    if function(*arguments) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _permitted(function: Callable[..., object], *arguments: object) -> None:
    """Set what only root may set; anybody else may be refused.

    Raises:
        OSError: It cannot be.
    """
    try:
        function(*arguments)
    except PermissionError:
        if os.geteuid() == 0:
            raise


def _filter(mask: int) -> None:
    """Set what a core dump holds."""
    with open("/proc/self/coredump_filter", "w", encoding="ascii") as file:  # noqa: PTH123
        file.write(f"0x{mask:x}")
