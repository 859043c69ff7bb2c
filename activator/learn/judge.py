"""Calls as needs: what of that which a service did its sandbox would stop."""

import os
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from activator.common import tables
from activator.generate import hardening
from activator.generate.specfile import Spec, needs
from activator.learn.trace import Call, meant
from activator.local.units.specifier_table import system_directories, user_directories
from activator.unitfile.unquoting import split_command

_OPENS = {"open", "openat", "creat", "openat2"}
# What changes a directory; of renames and links the last path is the one that is written.
_WRITES = {"mkdir", "mkdirat", "unlink", "unlinkat", "rmdir", "mknod", "mknodat", "truncate"}
_WRITES |= {"rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat"}
_WRITES |= {"chmod", "fchmodat", "utimensat"}
_WRITING = re.compile(r"O_(WRONLY|RDWR|CREAT|TRUNC|APPEND)")
_DENIED = {"EPERM", "EACCES", "EROFS"}
_KEPT = {"S": "state", "C": "cache", "L": "logs", "t": "runtime"}  # by the specifier of the place
# Where every service may write, and what is written only if that can be done.
_MACHINE = {"/proc/": "kernel-settings", "/sys/fs/cgroup/": "cgroups", "/sys/": "kernel-settings"}
_FREE = ("/tmp/", "/var/tmp/", "/dev/shm/")  # noqa: S108 - its own ones
_OWN = re.compile(r"/proc/(self|thread-self|\d+)(/|$)|.*/__pycache__(/|$)")
_DEVICES = {"null", "zero", "full", "random", "urandom", "tty", "ptmx", "log", "shm", "pts", "fd"}
_DEVICES |= {"stdin", "stdout", "stderr", "mqueue", "hugepages", "core", "kmsg"}
# What libraries look at, and do without: malloc, SELinux, Go's and redis' listeners.
_LOOKED_AT = {f"/proc/{name}" for name in ("filesystems", "mounts", "sys/vm/overcommit_memory")}
_LOOKED_AT |= {"/proc/sys/net/core/somaxconn", "/proc/sys/kernel/cap_last_cap"}
_INTERNET = re.compile(
    r'sin6?_port=htons\((\d+)\).*?(?:inet_addr\("([^"]+)"\)|inet_pton\(AF_INET6, "([^"]+)")'
)
_UNIX = re.compile(r'sun_path=(@?)"([^"]*)"')
# The manager's own, and what libraries only look for.
_MANAGER = re.compile(
    r"/run/systemd/(notify$|journal/)|(/var)?/run/nscd/"
    r"|.*/activator-\w+/notify$"  # the local activator's
)
_DNS = 53
# So much that differs is kept, and so many files that the service has made itself: a run may last
# for days, and more of the same is no news.
_MOST_SEEN, _MOST_MADE = 10_000, 100_000
_MORE = "and more"


class Evidence(NamedTuple):
    """What shows a need.

    Attributes:
        need: The need; empty where none opens what was done.
        call: The system call.
        what: The path, the address or the arguments.
        program: Who made it.
        times: How often.
    """

    need: str
    call: str
    what: str
    program: str
    times: int


class Judge:
    """Sees the calls of a service, in order, and says what it needs.

    Args:
        spec: The spec of the service.
        visible: Directories that its unit has in sight wherever they lie.
        no_programs: Directories from which its unit lets no program run.
    """

    def __init__(
        self, spec: Spec, visible: tuple[str, ...] = (), no_programs: tuple[str, ...] = ()
    ) -> None:
        self._no_programs = tuple(f"{path.rstrip('/')}/" for path in no_programs)
        self._visible = tuple(f"{path.rstrip('/')}/" for path in visible)
        self._name = spec.name
        self._handled = bool(spec.handlers)
        # Others run all that they can read.
        self._interpreted = bool(spec.handlers and spec.python)
        self._own = {spec.python, *_programs(spec)}
        self._spec = spec
        # In a network of its own, where it may listen wherever it likes.
        self._alone = spec.proxy is not None and not spec.proxy.by_path
        self._sockets = {setting.value for each in spec.sockets for setting in each.settings}
        self._made: set[str] = set()
        self._seen: Counter[tuple[str, str, str, str]] = Counter()

    def see(self, call: Call) -> None:
        """Take a call into account; one that failed counts only where it was forbidden.

        Or where a directory was missing that a need makes.
        """
        missing = call.error == "ENOENT"
        # Behind a proxy there is no network to be reached.
        denied = (*_DENIED, "EINPROGRESS", *(("ENETUNREACH",) if self._alone else ()))
        if call.error and not missing and call.error not in denied:
            return
        for need, what in self._needs(call):
            if not missing or need.partition(":")[0] in _KEPT.values():
                self._keep(need, call, what)

    def _keep(self, need: str, call: Call, what: str) -> None:
        for text in (what, _MORE):
            key = (need, call.name, text, call.program)
            room = _MOST_SEEN if text is what else 2 * _MOST_SEEN
            if key in self._seen or len(self._seen) < room:
                self._seen[key] += 1
                return

    @property
    def count(self) -> int:
        """How many needs have been seen."""
        return len({need for need, *_ in self._seen if need})

    def verdict(self) -> list[Evidence]:
        """Return what was seen, by need in the order of the table of needs."""
        order = {need.name: place for place, need in enumerate(hardening.needs().values())}
        wide = _widest({need for need, *_ in self._seen})
        right = {need for need in wide.values() if self._can_be(need)}
        found = [
            Evidence(wide[need] if wide[need] in right else "", call, what, program, times)
            for (need, call, what, program), times in self._seen.items()
        ]
        return sorted(found, key=lambda one: (order.get(one.need.partition(":")[0], 99), one))

    def _can_be(self, need: str) -> bool:
        """Tell whether the spec would take a need."""
        wrong: list[object] = []
        known = {*needs.read([need], self._spec.systemd, lambda error, _: wrong.append(error))}
        needs.check(
            self._spec._replace(needs=(*self._spec.needs, *known)),
            lambda error, _: wrong.append(error),
        )
        return not wrong

    def _needs(self, call: Call) -> Iterator[tuple[str, str]]:
        for name, pattern, need in _table():
            # The event loop under handlers tries io_uring, and does without.
            loop = need == "io-uring" and self._handled
            if name == call.name and pattern.search(call.arguments) and not loop:
                yield need, call.arguments[:60]
        if call.name == "execve":
            yield from self._program(call)
        elif call.name in ("connect", "sendto", "sendmsg"):
            yield from self._connection(call)
        elif call.name == "bind":
            yield from self._bound(call)
        elif call.name in _OPENS and call.paths:
            writes = call.name == "creat" or bool(_WRITING.search(call.arguments))
            yield from self._file(call.paths[0], writes=writes)
        elif call.name in _WRITES and call.paths:
            yield from self._file(call.paths[-1], writes=True)

    def _program(self, call: Call) -> Iterator[tuple[str, str]]:
        path = next(iter(call.paths), "")
        # What a link leads to is run.
        shut = os.path.realpath(path).startswith(self._no_programs or "\0")
        if path not in self._own and (self._interpreted or path in self._made or shut):
            yield "exec", path

    def _connection(self, call: Call) -> Iterator[tuple[str, str]]:
        if match := _INTERNET.search(call.arguments):
            host, port = match[2] or match[3], int(match[1])
            if port:  # with port 0, only the way is looked for
                local = host.startswith("127.") or host == "::1"
                resolves = " (to resolve names)" if port == _DNS else ""
                yield "network:localhost" if local else "network", f"{host}:{port}{resolves}"
        elif (match := _UNIX.search(call.arguments)) and not _MANAGER.match(match[2]):
            yield "unix", f"{match[1]}{meant(match[2])}"

    def _bound(self, call: Call) -> Iterator[tuple[str, str]]:
        match = _INTERNET.search(call.arguments)
        if match and match[1] != "0" and not self._alone:
            yield f"listen:{match[1]}", f"{match[2] or match[3]}:{match[1]}"

    def _file(self, path: str, *, writes: bool) -> Iterator[tuple[str, str]]:
        if _OWN.match(path) or path in self._sockets or path in self._made:
            return
        own = not path.startswith(("/dev/", "/proc/"))
        if writes and own and len(self._made) < _MOST_MADE:
            self._made.add(path)
        need = self._to_write(path) if writes else self._to_read(path)
        if need:
            yield need, path

    def _to_write(self, path: str) -> str:
        if path.startswith(_FREE):
            return ""
        for below, need in _MACHINE.items():
            if path.startswith(below):
                return need
        return self._device(path) if path.startswith("/dev/") else self._place(path)

    def _to_read(self, path: str) -> str:
        if path.startswith("/proc/"):
            return "" if path in _LOOKED_AT else "system-info"
        if path.startswith("/dev/shm/"):  # noqa: S108 - what others have left there
            return "ipc"
        if path.startswith("/dev/"):
            return self._device(path)
        if path.startswith("/home/") and (own := self._place(path)) in _KEPT.values():
            return own
        hidden = hardening.hiding(path) and not f"{path}/".startswith(self._visible)
        return f"read:{path}" if hidden else ""

    def _device(self, path: str) -> str:
        return "" if path.split("/")[2] in _DEVICES else f"devices:{path}"

    def _place(self, path: str) -> str:
        """Return the need that lets a path be written."""
        for base, need in _kept():
            if path.startswith(f"{base}/"):
                name = path[len(base) + 1 :].removeprefix("private/").split("/")[0]
                if name == self._name:
                    return need
                if base == "/var/lib" and path != f"{base}/{name}":
                    return f"state:{name}"
        return f"write:{path.rpartition('/')[0] or '/'}"


def _programs(spec: Spec) -> Iterator[str]:
    """Yield what the service runs first: its own program may be run."""
    for command in split_command(spec.command) if spec.command else ():
        yield command.path


def _widest(seen: set[str]) -> dict[str, str]:
    """Return for each need the one that covers it: itself, or one that opens more."""

    def covers(wide: str, need: str) -> bool:
        name, _, path = need.partition(":")
        if wide == name:
            return wide == "network"
        return wide.partition(":")[0] == name and path.startswith(f"{wide.partition(':')[2]}/")

    return {need: min((one for one in seen if covers(one, need)), default=need) for need in seen}


@cache
def _kept() -> list[tuple[str, str]]:
    """Return where a unit's directories are: the system's, and those of the user who learns."""
    users = user_directories(os.geteuid(), os.path.expanduser("~"))  # noqa: PTH111 - a text
    places = (system_directories(), users)
    # A user's logs are below the state.
    return [(place[one], _KEPT[one]) for place in places for one in ("L", "S", "C", "t")]


@cache
def _table() -> list[tuple[str, re.Pattern[str], str]]:
    rows = tables.rows(__file__, "calls.tsv")
    return [(name, re.compile(pattern), need) for name, pattern, need in rows]
