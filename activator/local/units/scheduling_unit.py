"""From a unit's lines to how the kernel schedules its processes, and a little of their memory.

Source: systemd.exec(5); how lines of one group change each other was seen with systemd 252,
257 and 262.
"""

import math
import os

from activator.errors import ActivatorError
from activator.local.units.reader import Reader
from activator.local.units.service_model import Scheduling
from activator.unitfile import read
from activator.unitfile.unquoting import words

_POLICIES = {"other": 0, "fifo": 1, "rr": 2, "batch": 3, "idle": 5, "ext": 7}
# ioprio_set(2); no class is the same as best-effort.
_IO_CLASSES = {"none": 2, "realtime": 1, "best-effort": 2, "idle": 3}
_IO_BEST_EFFORT = 2
_IO_MIDDLE = 4
_IO_SHIFT = 13
# personality(2).
_PERSONALITIES = {"x86-64": 0x0, "x86": 0x8}
# core(5), in the order of the bits.
_DUMPED = (
    "private-anonymous",
    "shared-anonymous",
    "private-file-backed",
    "shared-file-backed",
    "elf-headers",
    "private-huge",
    "shared-huge",
    "private-dax",
    "shared-dax",
)
_DUMPED_BY_DEFAULT = 0x33
# CPUAffinity= of NUMAMask=, which has no effect here.
_NUMA = "numa"


def read_scheduling(reader: Reader, section: str) -> Scheduling:
    """Make the model of how a unit's processes are scheduled.

    Raises:
        ActivatorError: systemd would skip a line.
    """
    policy, priority = _policy(reader, section)
    reset = reader.value(section, "CPUSchedulingResetOnFork", read.boolean, default=False)
    return Scheduling(
        policy=policy,
        priority=priority,
        reset_on_fork=reset,
        affinity=_affinity(reader, section),
        io=_io(reader, section),
        timer_slack=_slack(reader, section),
        personality=_personality(reader, section),
        dumped=_dumped(reader, section),
    )


def _policy(reader: Reader, section: str) -> tuple[int | None, int]:
    """Return the policy, None for ours, and its priority; each line changes what is before."""
    policy, priority = None, 0
    for entry in reader.entries(section, "CPUSchedulingPolicy", "CPUSchedulingPriority"):
        if entry.name == "CPUSchedulingPriority":
            policy, priority = policy or 0, read.integer(entry.value)
            continue
        known = _POLICIES.get(entry.value)
        policy = read.integer(entry.value) if known is None else known
        try:
            most, least = os.sched_get_priority_max(policy), os.sched_get_priority_min(policy)
        except OSError:
            continue  # a policy that this kernel has not: said when it is set
        priority = max(least, min(priority, most))
    return policy, priority


def _affinity(reader: Reader, section: str) -> frozenset[int]:
    """Return the CPUs, empty for ours."""
    found: set[int] = set()
    for entry in reader.entries(section, "CPUAffinity"):
        for word in words(reader.expand(entry).replace(",", " ")):
            if word != _NUMA:
                low, _, high = word.partition("-")
                first = read.integer(low)
                found.update(range(first, (read.integer(high) if high else first) + 1))
    return frozenset(found)


def _io(reader: Reader, section: str) -> int | None:
    """Return the class and priority of disk access as ioprio_set(2) takes them, None for ours."""
    group, level, found = _IO_BEST_EFFORT, _IO_MIDDLE, False
    for entry in reader.entries(section, "IOSchedulingClass", "IOSchedulingPriority"):
        found = True
        if entry.name == "IOSchedulingPriority":
            level = read.integer(entry.value)
        elif entry.value in _IO_CLASSES:
            group = _IO_CLASSES[entry.value]
        else:
            group = read.integer(entry.value) or _IO_BEST_EFFORT
    return group << _IO_SHIFT | level if found else None


def _slack(reader: Reader, section: str) -> int | None:
    """Return TimerSlackNSec= in nanoseconds, None for ours."""
    entries = reader.entries(section, "TimerSlackNSec")
    if not entries:
        return None
    from activator.unitfile.values.times import to_nanoseconds  # noqa: PLC0415 - few units need it

    span = to_nanoseconds(entries[-1].value)
    return None if span is None or math.isinf(span) else int(span)


def _personality(reader: Reader, section: str) -> int | None:
    """Return Personality=, None for ours."""
    entries = reader.entries(section, "Personality")
    if not entries:
        return None
    if os.uname().machine != "x86_64":
        what = f"Personality={entries[-1].value} is not of this machine"
        raise ActivatorError(what, "remove it", place=entries[-1].place)
    return _PERSONALITIES[entries[-1].value]


def _dumped(reader: Reader, section: str) -> int | None:
    """Return CoredumpFilter= as core(5) has it, None for ours."""
    mask = None
    for entry in reader.entries(section, "CoredumpFilter"):
        for word in words(entry.value):
            mask = (mask or 0) | _kind(word)
    return mask


def _kind(word: str) -> int:
    """Return the bits of one word of CoredumpFilter=."""
    if word == "all":
        return (1 << len(_DUMPED)) - 1
    if word == "default":
        return _DUMPED_BY_DEFAULT
    return 1 << _DUMPED.index(word) if word in _DUMPED else int(word, 16)
