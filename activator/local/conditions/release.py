"""What system runs here: its release, its kernel, and what it runs in.

Source: systemd.unit(5), os-release(5), systemd-detect-virt(1), container_getenv of the
container interface.
"""

import fnmatch
import os
from contextlib import suppress
from functools import cache
from pathlib import Path

from activator.errors import ActivatorError
from activator.local.conditions.compare import operator, version_fits
from activator.unitfile import read
from activator.unitfile.unquoting import UNQUOTE, words

# What the firmware says of its maker or product → who runs the virtual machine.
_MAKERS = (
    ("KVM", "kvm"),
    ("OpenStack", "kvm"),
    ("KubeVirt", "kvm"),
    ("Amazon EC2", "amazon"),
    ("QEMU", "qemu"),
    ("VMware", "vmware"),
    ("VMW", "vmware"),
    ("innotek GmbH", "oracle"),
    ("VirtualBox", "oracle"),
    ("Oracle Corporation", "oracle"),
    ("Xen", "xen"),
    ("Bochs", "bochs"),
    ("Parallels", "parallels"),
    ("BHYVE", "bhyve"),
    ("Hyper-V", "microsoft"),
    ("Apple Virtualization", "apple"),
    ("Google Compute Engine", "google"),
)
_FIRMWARE = ("product_name", "sys_vendor", "board_vendor", "bios_vendor", "product_version")


def kernel_version(text: str) -> bool:
    """Compare the kernel's release: every expression must fit."""
    expressions = list(words(text.replace("'", '"'), UNQUOTE))
    release = os.uname().release
    if len(expressions) > 1 and operator(expressions[0]) == (expressions[0], ""):
        # The first one may have a space behind its operator.
        expressions[:2] = ["".join(expressions[:2])]
    for each in expressions:
        sign, other = operator(each)
        if not other:
            raise ValueError(text)
        fits = version_fits(release, sign, other) if sign else fnmatch.fnmatchcase(release, other)
        if not fits:
            return False
    return True


def os_release(text: str) -> bool:
    """Compare fields of os-release: every expression must fit."""
    fields = _os_release()
    for word in words(text):
        name = word[: next((n for n, char in enumerate(word) if char in "<>=!$"), len(word))]
        sign, value = operator(word[len(name) :])
        if not sign or not name:
            raise ValueError(word)
        absent = sign == "=" and name not in fields  # what is not there equals nothing
        if absent or not version_fits(fields.get(name, ""), sign, value):
            return False
    return True


def kernel_command_line(text: str) -> bool:
    """Look for a word, or a word that begins with a name and ``=``, in the command line."""
    given = _command_line()
    if "=" in text:
        return text in given
    return any(word.partition("=")[0] == text for word in given)


def virtualization(text: str) -> bool:
    """Tell whether this is a container or a virtual machine, or a certain one."""
    container, machine = _container(), _machine()
    found = container or machine
    with suppress(ActivatorError):
        return read.boolean(text) == bool(found)
    if text in ("container", "vm"):
        return bool(container) if text == "container" else bool(machine and not container)
    return bool(found) and text == found


def _os_release() -> dict[str, str]:
    """Return the fields of os-release."""
    paths = (Path("/etc/os-release"), Path("/usr/lib/os-release"))
    path = next(path for path in paths if path.exists())
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        name, equals, value = line.partition("=")
        if equals and not name.startswith("#"):
            found[name.strip()] = next(words(value), "")
    return found


def _command_line() -> list[str]:
    """Return the kernel's command line; a container's is that of its first process."""
    if _container():
        text = Path("/proc/1/cmdline").read_text(encoding="utf-8", errors="replace")
        return [word for word in text.split("\0") if word]
    return list(words(Path("/proc/cmdline").read_text(encoding="utf-8", errors="replace")))


@cache
def _container() -> str:
    """Return the container manager's name, empty outside of containers."""
    if Path("/proc/vz").exists() and not Path("/proc/bc").exists():
        return "openvz"
    for path in ("/run/host/container-manager", "/run/systemd/container"):
        try:
            return Path(path).read_text(encoding="utf-8").strip() or "container-other"
        except OSError:
            continue
    if own := os.environ.get("container"):  # noqa: SIM112 - the container interface has it so
        return own
    if Path("/run/.containerenv").exists():
        return "podman"
    return "docker" if Path("/.dockerenv").exists() else ""


@cache
def _machine() -> str:
    """Return the hypervisor's name, empty on bare metal."""
    for name in _FIRMWARE:
        try:
            text = Path(f"/sys/class/dmi/id/{name}").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        for maker, found in _MAKERS:
            if text.startswith(maker):
                return found
    flags = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    return "vm-other" if " hypervisor" in flags else ""
