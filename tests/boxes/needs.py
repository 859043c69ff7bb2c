"""What a machine must have before a box can be built or booted on it."""

import os
import shutil
from pathlib import Path

from tests.boxes.keeper import cgroup_mounts

# Program → the Debian package that brings it.
FOR_ROOTS = {"mmdebstrap": "mmdebstrap"}
FOR_BOXES = {
    "nsenter": "util-linux",
    "setpriv": "util-linux",
    "systemd-nspawn": "systemd-container",
}


def required() -> bool:
    """Tell whether a test that cannot have its box must fail, where it would else be skipped."""
    return os.environ.get("ACTIVATOR_REQUIRE_SYSTEMD") == "1"


def missing_for_roots() -> str:
    """Say what keeps a root file system from being built here; nothing when it can be."""
    if os.geteuid() != 0:
        return "a booted systemd needs root: sudo make test"
    return _missing_programs(FOR_ROOTS)


def missing_for_boxes() -> str:
    """Say what keeps a box from being booted here; nothing when it can be."""
    if os.geteuid() != 0:
        return missing_for_roots()
    if missing := _missing_programs(FOR_BOXES):
        return missing
    mount = cgroup_mount()
    if mount is None:
        return "no cgroup v2 is mounted, and a booted systemd needs one"
    if not os.access(mount, os.W_OK):
        return f"the cgroup v2 mount {mount} is read-only, and a booted systemd needs its own part"
    return ""


def cgroup_mount() -> Path | None:
    """Return where cgroup v2 is mounted: at the top, or beside v1 on a hybrid machine."""
    return next(iter(cgroup_mounts("cgroup2")), None)


def _missing_programs(programs: dict[str, str]) -> str:
    absent = sorted({package for name, package in programs.items() if not shutil.which(name)})
    return f"not installed: {', '.join(absent)}" if absent else ""
