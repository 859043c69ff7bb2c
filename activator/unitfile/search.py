"""Find unit files where systemd looks for them: search path, drop-ins, aliases, masks, links.

Nothing here is parsed and no systemd is asked, so that it works on the root directory of a
system that does not run as well as on a folder of a project.

Source: systemd.unit(5), "Unit File Load Path" and "Description"; what systemd makes of links.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

UNIT_TYPES = (
    "service",
    "socket",
    "target",
    "timer",
    "path",
    "mount",
    "automount",
    "swap",
    "slice",
    "scope",
    "device",
)
_SUFFIXES = tuple(f".{kind}" for kind in UNIT_TYPES)
# Where links make dependencies: directory NAME.wants/ and its like.
LINKS = ("wants", "requires", "upholds")
# What packages and people call a file that is not meant to count.
_LEFTOVERS = (
    *(".bak", ".orig", ".old", ".save", ".disabled", ".off", ".example", ".sample", ".dist"),
    *(".dpkg-old", ".dpkg-new", ".dpkg-dist", ".dpkg-bak", ".rpmsave", ".rpmnew", ".ucf-dist"),
    *(".in", ".j2", ".md", ".txt", ".tmpl", ".erb"),
)
# As many parts of a path are looked at, links included.
_HOPS_MAX = 160

# Of the system's manager, first comes first; --root DIR is put in front of each.
SYSTEM = (
    "/etc/systemd/system.control",
    "/run/systemd/system.control",
    "/run/systemd/transient",
    "/run/systemd/generator.early",
    "/etc/systemd/system",
    "/etc/systemd/system.attached",
    "/run/systemd/system",
    "/run/systemd/system.attached",
    "/run/systemd/generator",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
    "/run/systemd/generator.late",
)
# Of a user's manager, behind the user's own directories.
USER = (
    "/etc/systemd/user",
    "/run/systemd/user",
    "/usr/local/share/systemd/user",
    "/usr/share/systemd/user",
    "/usr/local/lib/systemd/user",
    "/usr/lib/systemd/user",
    "/lib/systemd/user",
)


class UnitFiles(NamedTuple):
    """Where a unit comes from.

    Attributes:
        name: Its name, that of the file behind an alias; with the instance if one was asked.
        path: The unit file; empty if there are only drop-ins.
        dropins: The drop-ins in the order in which they count.
        aliases: The other names that links give it.
        masked: Whether it is a link to /dev/null or an empty file.
    """

    name: str
    path: str
    dropins: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    masked: bool = False


class Link(NamedTuple):
    """A link in a directory such as ``sockets.target.wants/``.

    Attributes:
        owner: The unit that wants, such as ``sockets.target``.
        kind: One of :data:`LINKS`.
        unit: The unit that is wanted: the link's name.
        path: The link.
    """

    owner: str
    kind: str
    unit: str
    path: str


def system_path(root: str = "") -> list[str]:
    """Return the directories of the system's manager, those that exist, first comes first."""
    return _existing([root + directory for directory in SYSTEM])


def user_path(root: str = "") -> list[str]:
    """Return the directories of a user's manager, those that exist, first comes first.

    The calling user's own ones are part of it without a root directory.
    """
    own: list[str] = []
    if not root:
        home = os.path.expanduser("~")
        config = os.environ.get("XDG_CONFIG_HOME") or f"{home}/.config"
        runtime = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
        data = os.environ.get("XDG_DATA_HOME") or f"{home}/.local/share"
        own = [
            f"{config}/systemd/user.control",
            f"{runtime}/systemd/user.control",
            f"{runtime}/systemd/transient",
            f"{runtime}/systemd/generator.early",
            f"{config}/systemd/user",
            f"{runtime}/systemd/user",
            f"{runtime}/systemd/generator",
            f"{data}/systemd/user",
        ]
    return _existing(own + [root + directory for directory in USER])


def _existing(directories: Sequence[str]) -> list[str]:
    """Return those that exist, none twice: /lib is often a link to /usr/lib."""
    seen: set[tuple[int, int]] = set()
    kept = []
    for directory in directories:
        try:
            found = os.stat(directory)
        except OSError:
            continue
        if (found.st_dev, found.st_ino) not in seen:
            seen.add((found.st_dev, found.st_ino))
            kept.append(directory)
    return kept


class Search:
    """The unit files of some directories, as a manager finds them.

    Args:
        directories: Where to look, first comes first.
        root: The root directory that absolute links start from; empty for this machine's.
    """

    def __init__(self, directories: Sequence[str], root: str = "") -> None:
        self.directories = list(directories)
        self.root = root.rstrip("/")
        # Name of a file or link → its path in the first directory that has it.
        self._files: dict[str, str] = {}
        # Name of a directory such as foo.service.d → its paths, first comes first.
        self._dropins: dict[str, list[str]] = {}
        self._owners: list[tuple[str, str, str]] = []
        for directory in self.directories:
            self._scan(directory)

    def _scan(self, directory: str) -> None:
        """Note what a directory holds."""
        try:
            with os.scandir(directory or ".") as entries:
                names = sorted(entry.name for entry in entries)
        except OSError:
            return
        before = f"{directory}/" if directory else ""
        for name in names:
            suffix = name.rpartition(".")[2]
            if suffix in UNIT_TYPES:
                self._files.setdefault(name, before + name)
            elif suffix == "d":
                self._dropins.setdefault(name, []).append(before + name)
            elif suffix in LINKS:
                self._owners.append((name[: -len(suffix) - 1], suffix, before + name))

    @cached_property
    def names(self) -> list[str]:
        """Return the names of all units that have a file, aliases included, sorted."""
        return sorted(self._files)

    @cached_property
    def orphans(self) -> list[str]:
        """Return the names of units of which there are drop-ins alone, sorted."""
        bases = (name.removesuffix(".d") for name in self._dropins)
        return sorted(
            base
            for base in bases
            if base.endswith(_SUFFIXES)
            and base not in self._files
            and not base.partition(".")[0].endswith("-")
            and template_of(base) not in self._files
        )

    def dropins(self, name: str) -> list[str]:
        """Return the drop-ins that concern a unit, in the order in which they count."""
        return list(self._dropin_files([name]))

    def others(self, name: str) -> Iterator[str]:
        """Yield the files beside a unit's own drop-ins that are none by their name.

        Hidden files, and those that editors and package managers leave, are passed over.
        """
        for directory in self._dropins.get(f"{name}.d", ()):
            for file in _listed(directory):
                if not file.endswith((".conf", "~", *_LEFTOVERS)) and file[0] not in ".#":
                    yield os.path.join(directory, file)

    @cached_property
    def links(self) -> list[Link]:
        """Return all links that make dependencies; those to /dev/null are none."""
        found: dict[tuple[str, str, str], Link] = {}
        for owner, kind, directory in self._owners:
            for name in _listed(directory):
                if name.endswith(_SUFFIXES):
                    path = os.path.join(directory, name)
                    found.setdefault((owner, kind, name), Link(owner, kind, name, path))
        return [link for link in found.values() if not self._is_null(link.path)]

    def find(self, name: str) -> UnitFiles | None:
        """Return where a unit comes from, or None if it has no file.

        Args:
            name: Its name or an alias; an instance may come from its template.
        """
        names, wanted = [name], name
        path, masked = "", False
        while True:
            where = self._files.get(wanted)
            if where is None:
                template = template_of(wanted)
                where = self._files.get(template) if template else None
                if where is None:
                    return None
            target = self._alias(where)
            if target is None:
                path, masked = where, self._is_null(where)
                break
            instance = instance_of(wanted)
            if instance and target.partition("@")[2].startswith("."):
                target = target.replace("@.", f"@{instance}.", 1)
            if target in names:
                return None  # links in a circle
            names.append(target)
            wanted = target
        others = self._aliases.get(os.path.basename(path), ())
        names += [other for other in others if other not in names and "@" not in wanted]
        dropins = () if masked else tuple(self._dropin_files([wanted, *names]))
        aliases = tuple(other for other in names if other != wanted)
        return UnitFiles(wanted, path, dropins, aliases, masked)

    @cached_property
    def _aliases(self) -> dict[str, list[str]]:
        """Return the aliases of each file, by the file's name."""
        found: dict[str, list[str]] = {}
        for name, path in self._files.items():
            target = self._alias(path)
            if target is not None:
                found.setdefault(target, []).append(name)
        return found

    def _alias(self, path: str) -> str | None:
        """Return the name that a link is an alias of, None for a file and for what is linked."""
        if not os.path.islink(path):
            return None
        target = within(path, self.root)
        name = os.path.basename(target)
        if name == os.path.basename(path) or name not in self._files:
            return None
        return name if name.endswith(_SUFFIXES) else None

    def _is_null(self, path: str) -> bool:
        """Return whether a file says "masked": a link to /dev/null or another device, or empty."""
        target = within(path, self.root)
        if target == f"{self.root}/dev/null":
            return True
        try:
            found = os.stat(target)
        except OSError:
            return False
        empty = stat.S_ISREG(found.st_mode) and not found.st_size
        return empty or stat.S_ISCHR(found.st_mode)

    def _dropin_files(self, names: Sequence[str]) -> Iterator[str]:
        """Yield the drop-ins of a unit by all its names; an earlier directory's file wins."""
        found: dict[str, str] = {}
        directories: dict[str, None] = {}
        for name in names:
            directories.update(dict.fromkeys(dropin_directories(name)))
        for directory in directories:
            for path in self._dropins.get(directory, ()):
                for file in _listed(path):
                    if file.endswith(".conf"):
                        found.setdefault(file, os.path.join(path, file))
        for file in sorted(found):
            if not self._is_null(found[file]):
                yield found[file]


def dropin_directories(name: str) -> list[str]:
    """Return the directories whose drop-ins concern a unit, the most specific first.

    ``foo-bar@x.service`` is concerned by ``foo-bar@x.service.d``, ``foo-bar@.service.d``,
    ``foo-@x.service.d``, ``foo-@.service.d``, ``foo-.service.d`` and ``service.d``.
    """
    stem, _, suffix = name.rpartition(".")
    prefix, at, instance = stem.partition("@")
    found = []
    while prefix:
        if instance:
            found.append(f"{prefix}@{instance}.{suffix}.d")
        found.append(f"{prefix}{at}.{suffix}.d")
        if at and prefix.endswith("-"):
            found.append(f"{prefix}.{suffix}.d")
        head, dash, _ = prefix.rstrip("-").rpartition("-")
        prefix = head + dash
    return [*found, f"{suffix}.d"]


def within(path: str, root: str) -> str:
    """Follow the links of a path, each part of it, absolute ones from the root directory."""
    if not root:
        return os.path.realpath(path)
    rest = [part for part in path.removeprefix(root).split("/") if part]
    made: list[str] = []
    for _ in range(_HOPS_MAX):
        if not rest:
            break
        part = rest.pop(0)
        if part == "..":
            made = made[:-1]
            continue
        here = "/".join([root, *made, part])
        try:
            target = os.readlink(here)
        except OSError:
            if part != ".":
                made.append(part)
            continue
        if target.startswith("/"):
            made = []
        rest = [piece for piece in target.split("/") if piece] + rest
    return "/".join([root, *made])


def template_of(name: str) -> str | None:
    """Return the template's name of an instance, None for what is none."""
    stem, _, suffix = name.rpartition(".")
    prefix, at, instance = stem.partition("@")
    return f"{prefix}@.{suffix}" if at and instance else None


def is_template(name: str) -> bool:
    """Tell whether a unit's name is that of a template, which needs an instance."""
    return name.rpartition(".")[0].endswith("@")


def instance_of(name: str) -> str:
    """Return the instance's part of a name, empty for a template and a plain unit."""
    return name.rpartition(".")[0].partition("@")[2]


def _listed(directory: str) -> list[str]:
    """Return the names in a directory, sorted; nothing if it cannot be read."""
    try:
        return sorted(os.listdir(directory))
    except OSError:
        return []
