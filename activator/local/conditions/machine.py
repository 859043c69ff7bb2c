"""What this machine and this process are.

Source: systemd.unit(5). Where systemd asks about its manager, it is this process here.
"""

import fnmatch
import grp
import os
import pwd
import re
import socket
from pathlib import Path

from activator.local.conditions.compare import number_fits, operator
from activator.local.units.capabilities import capability_number
from activator.unitfile import read

# uname(2) → systemd's word.
_ARCHITECTURES = {
    "x86_64": "x86-64",
    "i386": "x86",
    "i486": "x86",
    "i586": "x86",
    "i686": "x86",
    "aarch64": "arm64",
    "aarch64_be": "arm64-be",
    "armv5tel": "arm",
    "armv6l": "arm",
    "armv7l": "arm",
    "armv8l": "arm",
    "ppc64": "ppc64",
    "ppc64le": "ppc64-le",
    "ppc": "ppc",
    "riscv64": "riscv64",
    "riscv32": "riscv32",
    "s390x": "s390x",
    "loongarch64": "loongarch64",
    "mips": "mips",
    "mips64": "mips64",
}
_LAST_SYSTEM_USER = 999
_ID = re.compile("[0-9a-f]{32}")


def architecture(name: str) -> bool:
    """Tell whether this is the processor's architecture."""
    return name == "native" or name == _ARCHITECTURES.get(os.uname().machine)


def capability(name: str) -> bool:
    """Tell whether a capability is in our bounding set."""
    number = capability_number(name)
    text = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    bounds = int(text.partition("CapBnd:")[2].split()[0], 16)
    return bool(bounds >> number & 1)


def cpu_feature(name: str) -> bool:
    """Tell whether the processor has a feature, as the kernel names it."""
    lines = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines()
    flags = next((line for line in lines if line.startswith("flags")), "")
    return name.lower() in flags.partition(":")[2].split()


def cpus(text: str) -> bool:
    """Compare the number of CPUs that we may run on."""
    sign, number = operator(text)
    return number_fits(len(os.sched_getaffinity(0)), sign, int(number))


def memory(text: str) -> bool:
    """Compare the size of the memory, or of our part of it."""
    sign, size = operator(text)
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        most = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
        total = min(total, int(most))
    except (OSError, ValueError):
        pass  # no limit
    return number_fits(total, sign, read.size(size))


def environment(text: str) -> bool:
    """Tell whether a variable is set, or has a value."""
    name, equals, value = text.partition("=")
    return os.environ.get(name) == value if equals else name in os.environ


def first_boot(text: str) -> bool:
    """Tell whether this is the machine's first boot, or is not."""
    return Path("/run/systemd/first-boot").exists() is read.boolean(text)


def host(text: str) -> bool:
    """Tell whether the machine has an identifier, or a name that matches."""
    if _ID.fullmatch(text.replace("-", "").lower()):
        own = Path("/etc/machine-id").read_text(encoding="ascii").strip()
        return own == text.replace("-", "").lower()
    return fnmatch.fnmatch(socket.gethostname().lower(), text.lower())


def user(text: str) -> bool:
    """Tell whether we run as a user."""
    mine = (os.getuid(), os.geteuid())
    if text.isdigit():
        return int(text) in mine
    if text == "@system":
        return any(uid <= _LAST_SYSTEM_USER for uid in mine)
    try:
        return pwd.getpwnam(text).pw_uid in mine
    except KeyError:
        return False


def group(text: str) -> bool:
    """Tell whether we are in a group."""
    mine = {os.getgid(), os.getegid(), *os.getgroups()}
    if text.isdigit():
        return int(text) in mine
    try:
        return grp.getgrnam(text).gr_gid in mine
    except KeyError:
        return False
