"""Specifiers: what ``%x`` stands for in a unit that runs here.

Source: systemd.unit(5). Who runs `activator run` takes the place of the service manager:
root sees the system manager's directories, anybody else those of a user manager.
"""

import os
import platform
import pwd
import re
from functools import cache
from pathlib import Path

# Where %S, %C and %L are below a runtime directory that was named.
_BELOW = {"S": "state", "C": "cache", "L": "log"}
_ARCHITECTURES = {"x86_64": "x86-64", "aarch64": "arm64", "i686": "x86", "armv7l": "arm"}


def table_of(name: str, *, path: str = "", runtime: str = "") -> dict[str, str]:
    """Return the specifiers of one unit, letter → text, for :func:`specifiers.expand`.

    Args:
        name: The unit's full name, with its instance if it has one.
        path: The unit's file; may be empty.
        runtime: What ``%t`` stands for instead of the usual directory; state, cache and
            logs are below it, too.
    """
    stem = name.rpartition(".")[0] or name
    prefix, at, instance = stem.partition("@")
    final = prefix.rpartition("-")[2]
    table = dict(_machine())
    if runtime:
        table |= {"t": runtime, **{key: f"{runtime}/{name}" for key, name in _BELOW.items()}}
    table |= {
        "n": name,
        "N": stem,
        "p": prefix,
        "P": unescape(prefix),
        "i": instance,
        "I": unescape(instance),
        "j": final,
        "J": unescape(final),
        "f": _as_path(instance if at else prefix),
        "y": str(Path(path).absolute()) if path else "",
        "Y": str(Path(path).absolute().parent) if path else "",
    }
    return table


def unescape(text: str) -> str:
    r"""Undo unit-name escaping: ``-`` is ``/``, ``\xNN`` a byte."""
    raw = re.sub(
        rb"\\x([0-9a-fA-F]{2})|-",
        lambda match: bytes([int(match[1], 16)]) if match[1] else b"/",
        os.fsencode(text),
    )
    return os.fsdecode(raw)


def _as_path(text: str) -> str:
    """Return a name as the absolute path that it stands for."""
    path = unescape(text)
    return path if path.startswith("/") else "/" + path


@cache
def _machine() -> dict[str, str]:
    """Return the specifiers that depend on the machine and on who runs this."""
    uid = os.getuid()
    try:
        user = pwd.getpwuid(uid)
        name, home, shell = user.pw_name, user.pw_dir, user.pw_shell
    except KeyError:
        name, home, shell = str(uid), os.environ.get("HOME", "/"), "/bin/sh"
    release = _fields("/etc/os-release")
    host = platform.node()
    table = {
        "u": name,
        "U": str(uid),
        "g": _group_name(os.getgid()),
        "G": str(os.getgid()),
        "h": home,
        "s": shell,
        "H": host,
        "l": host.partition(".")[0],
        "q": _fields("/etc/machine-info").get("PRETTY_HOSTNAME") or host.partition(".")[0],
        "v": platform.release(),
        "a": _ARCHITECTURES.get(platform.machine(), platform.machine()),
        "m": _first_line("/etc/machine-id"),
        "b": _first_line("/proc/sys/kernel/random/boot_id").replace("-", ""),
        "o": release.get("ID", "linux"),
        "w": release.get("VERSION_ID", ""),
        "B": release.get("BUILD_ID", ""),
        "W": release.get("VARIANT_ID", ""),
        "M": release.get("IMAGE_ID", ""),
        "A": release.get("IMAGE_VERSION", ""),
        "T": os.environ.get("TMPDIR", "/tmp"),  # noqa: S108 - systemd's own default
        "V": os.environ.get("TMPDIR", "/var/tmp"),  # noqa: S108
        "D": "/usr/share" if uid == 0 else f"{home}/.local/share",
    }
    return table | (system_directories() if uid == 0 else user_directories(uid, home))


def system_directories() -> dict[str, str]:
    """Return the directories of the system manager."""
    return {"t": "/run", "S": "/var/lib", "C": "/var/cache", "L": "/var/log", "E": "/etc"}


def user_directories(uid: int, home: str) -> dict[str, str]:
    """Return the directories of a user manager."""
    state = os.environ.get("XDG_STATE_HOME", f"{home}/.local/state")
    return {
        "t": os.environ.get("XDG_RUNTIME_DIR", f"/run/user/{uid}"),
        "S": state,
        "C": os.environ.get("XDG_CACHE_HOME", f"{home}/.cache"),
        "L": f"{state}/log",
        "E": os.environ.get("XDG_CONFIG_HOME", f"{home}/.config"),
    }


def _group_name(gid: int) -> str:
    """Return a group's name, or its number."""
    import grp  # noqa: PLC0415 - needed once

    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def _first_line(path: str) -> str:
    """Return a file's first line, or nothing if it cannot be read."""
    try:
        return Path(path).read_text(encoding="utf-8").partition("\n")[0]
    except OSError:
        return ""


def _fields(path: str) -> dict[str, str]:
    """Return the NAME=VALUE lines of a file such as /etc/os-release."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    pairs = (line.partition("=") for line in lines if "=" in line)
    return {key: value.strip("\"'") for key, _, value in pairs}
