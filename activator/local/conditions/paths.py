"""What is at a path.

Source: systemd.unit(5); what is looked at behind a symlink and what is not, and that hidden
files do not count, was seen with systemd 252, 257 and 262.
"""

import glob
import os
import re
from pathlib import Path

_EXECUTABLE = 0o111
_BRACES = re.compile(r"\{([^{}]*)\}")


def exists(path: str) -> bool:
    """Tell whether there is anything."""
    return os.access(path, os.F_OK)


def matches(pattern: str) -> bool:
    """Tell whether there is anything that a pattern matches, which may have braces."""
    if (braces := _BRACES.search(pattern)) is not None and "," in braces[1]:
        before, behind = pattern[: braces.start()], pattern[braces.end() :]
        return any(matches(f"{before}{each}{behind}") for each in braces[1].split(","))
    return bool(glob.glob(pattern))  # noqa: PTH207 - a pattern, and not below a directory


def is_directory(path: str) -> bool:
    """Tell whether it is a directory."""
    return Path(path).is_dir()


def is_symlink(path: str) -> bool:
    """Tell whether it is a symlink."""
    return Path(path).is_symlink()


def is_mount_point(path: str) -> bool:
    """Tell whether something is mounted there."""
    real = os.path.realpath(path)
    lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
    points = (line.split(" ", 5)[4] for line in lines.splitlines())
    return any(_plain(point) == real for point in points)


def is_writable(path: str) -> bool:
    """Tell whether its file system is not read-only."""
    try:
        return not os.statvfs(path).f_flag & os.ST_RDONLY
    except OSError:
        return False


def is_socket(path: str) -> bool:
    """Tell whether it is a Unix socket."""
    return Path(path).is_socket()


def is_directory_with_files(path: str) -> bool:
    """Tell whether it is a directory that holds anything."""
    return Path(path).is_dir() and any(
        not name.startswith(".") and not name.endswith("~")
        for name in os.listdir(path)  # noqa: PTH208 - names alone
    )


def is_file_with_text(path: str) -> bool:
    """Tell whether it is a regular file that is not empty."""
    return Path(path).is_file() and Path(path).stat().st_size > 0


def is_program(path: str) -> bool:
    """Tell whether it is a regular file that somebody may execute."""
    return Path(path).is_file() and bool(Path(path).stat().st_mode & _EXECUTABLE)


def _plain(text: str) -> str:
    """Undo the escapes of mountinfo."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)
