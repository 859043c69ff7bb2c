"""Find what this service's lines are called in the journal: SyslogIdentifier=, or its unit's name.

systemd tells neither to the service, and gives text on stderr the identifier by itself. Records
have to bring theirs, or journald takes the name of the process, which is the interpreter's. So the
unit is read, where it can be. Import-light, and loaded with the first record.
"""

import os

SUFFIX = ".service"
# systemd.unit(5), the first one that has the unit counts; for drop-ins all of them do.
SYSTEM = (
    "/etc/systemd/system",
    "/run/systemd/system",
    "/run/systemd/transient",
    "/run/systemd/generator",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
)
# Where the manager has a link for each unit that is up, from its name to its InvocationID=, as for
# journald: unit_export_invocation_id() of systemd.
UNITS = "/run/systemd/units"
INVOCATION = "invocation:"
_KEY = "SyslogIdentifier"


def find(
    cgroup: str = "/proc/self/cgroup", paths: tuple[str, ...] = SYSTEM, units: str = UNITS
) -> str:
    """Return the identifier; empty if this is no service of systemd's.

    Args:
        cgroup: The file that tells the control group: cgroups(7).
        paths: The directories of units, the most important one first.
        units: The directory in which the manager tells which run of a unit is the current one.
    """
    unit = _unit(_read(cgroup)) or _invoked(units)
    if not unit:
        return ""
    name = unit.removesuffix(SUFFIX)
    prefix, _, instance = name.partition("@")
    names = [unit] if not instance else [f"{prefix}@{SUFFIX}", unit]
    given = ""
    for file in _files(names, paths):
        for line in _read(file).splitlines():
            key, _, value = line.partition("=")
            if key.strip() == _KEY:
                given = value.strip()
    given = given.replace("%%", "\0")
    for specifier, meaning in (("%p", prefix), ("%i", instance), ("%N", name), ("%n", unit)):
        given = given.replace(specifier, meaning)
    return given.replace("\0", "%") if given and "%" not in given else name


def _unit(text: str) -> str:
    """Return the innermost unit of a control group; a service's own groups are below it."""
    for line in text.splitlines():
        for part in reversed(line.split("/")):
            if part.endswith(SUFFIX):
                return part
    return ""


def _invoked(units: str) -> str:
    """Return the unit that this run is of.

    For where nothing else tells: ProtectControlGroups=strict shows each control group as "/".
    """
    wanted = os.environ.get("INVOCATION_ID")
    if not wanted:
        return ""
    directories = [units]
    if own := os.environ.get("XDG_RUNTIME_DIR"):  # where a user's manager has its links
        directories.append(f"{own}/systemd/units")
    for directory in directories:
        try:
            entries = os.listdir(directory)  # noqa: PTH208 - as below
        except OSError:
            continue
        for entry in entries:
            if entry.startswith(INVOCATION) and entry.endswith(SUFFIX):
                try:
                    if os.readlink(f"{directory}/{entry}") == wanted:  # noqa: PTH115 - the same
                        return entry.removeprefix(INVOCATION)
                except OSError:
                    continue
    return ""


def _files(names: list[str], paths: tuple[str, ...]) -> list[str]:
    """Return the unit's file and its drop-ins, in the order in which they count."""
    mains = [f"{path}/{name}" for name in reversed(names) for path in paths]
    found = [next((file for file in mains if os.path.isfile(file)), "")]  # noqa: PTH113 - no pathlib
    drop_ins: dict[str, str] = {}
    for directory in [
        f"{path}/{name}.d" for name in ["service", *names] for path in reversed(paths)
    ]:
        try:
            entries = os.listdir(directory)  # noqa: PTH208 - the same
        except OSError:
            continue
        drop_ins |= {entry: f"{directory}/{entry}" for entry in entries if entry.endswith(".conf")}
    return found + [drop_ins[entry] for entry in sorted(drop_ins)]


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - the same
            return file.read()
    except OSError:
        return ""
