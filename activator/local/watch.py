"""Watch files for changes, with watchfiles (the extra ``reload``).

What counts is how files differ from when they were looked at last, and not what the kernel
tells, which only says when to look: so an editor may replace a file, or write beside it first;
and nothing is lost while other directories begin to be watched, because units have changed.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import suppress
from glob import glob
from inspect import signature
from pathlib import Path
from typing import Any

from activator.common.extras import installing
from activator.errors import ActivatorError
from activator.local.units import quadlet
from activator.local.units.models import Plan
from activator.local.units.service_model import ServiceUnit
from activator.unitfile.search import dropin_directories

# What is looked at in a directory.
_SUFFIXES = (".py", ".socket", ".service", ".conf", ".toml", *quadlet.SUFFIXES)
_SKIPPED = {"__pycache__", "node_modules"}
_QUIET = 0.2  # seconds; changes that follow one another sooner are one,
_LONGEST = 2.0  # unless they never end
_STEP_MS = 50  # for the kernel's events
_AGAIN = 0.2  # seconds, where a directory goes at the moment when it is to be watched

# Path → what tells one version of a file from the next.
_Seen = dict[str, tuple[int, int, int]]


class Watch:
    """Watches files and directories, which need not be there yet.

    Args:
        paths: Files, whatever they are called, and directories, of which all that belongs to
            Python, units and specs is watched, but for hidden ones.

    Raises:
        ActivatorError: watchfiles is not installed.
    """

    def __init__(self, paths: Iterable[str]) -> None:
        try:
            import watchfiles  # noqa: PLC0415 - an extra
        except ImportError:
            raise ActivatorError("--reload needs watchfiles", installing("reload")) from None
        self._watch = watchfiles.awatch
        # The version of Debian 12 does not know it.
        option = "ignore_permission_denied"
        known = option in signature(watchfiles.awatch).parameters
        self._options: dict[str, Any] = {option: True} if known else {}
        self._stirred = asyncio.Event()
        self._paths: tuple[str, ...] = ()
        self._seen: _Seen = {}
        self.follow(paths)

    def follow(self, paths: Iterable[str]) -> None:
        """Watch other paths from now on; that they are others is no change.

        Each counts as it is at this moment, whenever :meth:`run` comes to look at it.
        """
        self._paths = tuple(dict.fromkeys(os.path.abspath(path) for path in paths))  # noqa: PTH100
        self._seen = _look(self._paths)
        self._stirred.set()

    async def run(self, on_change: Callable[[list[str]], Awaitable[None]]) -> None:
        """Call for every change of files, until cancelled.

        Raises:
            OSError: Nothing more can be watched.
        """
        paths, seen = self._paths, self._seen
        while True:
            flat, deep = _roots(paths)
            tasks = [
                asyncio.ensure_future(self._listen(sorted(roots), recursive=recursive))
                for roots, recursive in ((flat, False), (deep, True))
                if roots
            ]
            try:
                await asyncio.sleep(0)  # from now on they watch
                while (flat, deep) == _roots(paths):
                    before, seen = seen, _look(paths)
                    if changed := {path for path, _ in before.items() ^ seen.items()}:
                        await on_change(sorted(changed))
                    if paths != self._paths:
                        paths, now = self._paths, self._seen
                        seen = now | {path: seen[path] for path in seen.keys() & now.keys()}
                        continue
                    await self._settled()
                    if over := [task for task in tasks if task.done()]:
                        over[0].result()
                        break
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _settled(self) -> None:
        """Wait until something has stirred, and then nothing for a moment."""
        await self._stirred.wait()
        end = time.monotonic() + _LONGEST
        with suppress(TimeoutError):
            while time.monotonic() < end:
                self._stirred.clear()
                async with asyncio.timeout(_QUIET):
                    await self._stirred.wait()

    async def _listen(self, roots: list[tuple[str, int, int]], *, recursive: bool) -> None:
        """Say when something stirs in directories."""
        watching = self._watch(
            *(path for path, _, _ in roots),
            watch_filter=lambda _, path: self._concerns(path),
            debounce=_STEP_MS,
            recursive=recursive,
            raise_interrupt=False,
            **self._options,
        )
        try:
            async for _ in watching:
                self._stirred.set()
        except FileNotFoundError:
            await asyncio.sleep(_AGAIN)
        finally:
            self._stirred.set()

    def _concerns(self, path: str) -> bool:
        """Tell whether to look when a path has changed."""
        for wanted in self._paths:
            if wanted == path or wanted.startswith(f"{path}/"):
                return True
            if path.startswith(f"{wanted}/") and path.endswith(_SUFFIXES):
                parts = path[len(wanted) + 1 :].split("/")
                if not any(part.startswith(".") or part in _SKIPPED for part in parts):
                    return True
        return False


def _roots(paths: Iterable[str]) -> tuple[set[tuple[str, int, int]], set[tuple[str, int, int]]]:
    """Return the directories to be watched, alone and with all below, as they are now.

    Of whatever may be replaced, or is still to come, the directory that it will be in is
    watched, or the nearest that exists.
    """
    flat, deep = set(), set()
    for path in paths:
        status = _status(path)
        if status is not None and Path(path).is_dir():
            deep.add((path, status.st_dev, status.st_ino))
        for parent in Path(path).parents:
            if parent.is_dir() and (above := _status(str(parent))) is not None:
                flat.add((str(parent), above.st_dev, above.st_ino))
                break
    return flat, deep


def _look(paths: Iterable[str]) -> _Seen:
    """Return the files below some paths as they are now."""
    seen: _Seen = {}
    for path in paths:
        for file in _files(path) if Path(path).is_dir() else [path]:
            if (status := _status(file)) is not None:
                seen[file] = (status.st_ino, status.st_mtime_ns, status.st_size)
    return seen


def _files(directory: str) -> Iterator[str]:
    """Yield what is looked at in a directory."""
    for base, directories, names in os.walk(directory):
        if "pyvenv.cfg" in names and base != directory:
            directories.clear()  # other people's code
            continue
        directories[:] = [
            name for name in directories if name not in _SKIPPED and not name.startswith(".")
        ]
        for name in names:
            if name.endswith(_SUFFIXES) and not name.startswith("."):
                yield f"{base}/{name}"


def _status(path: str) -> os.stat_result | None:
    """Return the status of what a path leads to, None if that is nothing."""
    with suppress(OSError):
        return os.stat(path)  # noqa: PTH116 - as light as it gets
    return None


def paths_of(plan: Plan, files: Iterable[str]) -> list[str]:
    """Return what is to be watched for a plan.

    That is: the units with their drop-ins, the specs, and of each service the programs and
    scripts on its command line, the modules of its handlers, its files of EnvironmentFile=,
    and its working directory.

    Args:
        plan: The units.
        files: The files and folders that were named for it.
    """
    units = [*plan.services.values(), *(each.sample for each in plan.templates.values())]
    found = [path for path in files if Path(path).exists()]
    places = [each.place for each in plan.sockets] + [each.place for each in units]
    for place in places:
        path = Path(place if Path(place).exists() else place.rpartition(":")[0])
        if path.suffix in (".socket", ".service"):
            found += [
                str(path),
                *(f"{path.parent}/{name}" for name in dropin_directories(path.name)),
            ]
        elif path.is_file():
            found.append(str(path))
    for each in units:
        found += _code_of(each)
        for pattern, _, _ in each.execution.environment_files:
            found += [pattern, *glob(pattern)]  # noqa: PTH207 - an absolute one
    return list(dict.fromkeys(found))


def _code_of(unit: ServiceUnit) -> Iterator[str]:
    """Yield where the code of a service may be."""
    directory = unit.execution.working_directory
    home = Path(directory) if directory.startswith("/") else Path()
    if directory.startswith("/") and directory != "/":
        yield directory
    for command in unit.commands.get("ExecStart", ()):
        roots = [home]
        for word, following in zip(command.argv, [*command.argv[1:], ""], strict=True):
            option, _, value = word.partition("=")
            if option == "--app-dir":
                roots.append(Path(value or following))
        yield from (str(root) for root in roots[1:] if root.is_dir())
        for word in command.argv[1:]:
            if word.startswith("/") and (Path(word).is_file() or word.endswith(".py")):
                yield word
            module = word.rpartition("=")[2].partition(":")[0].partition(".")[0]
            if module.isidentifier():
                yield from _module(module, roots)


def _module(name: str, roots: Iterable[Path]) -> Iterator[str]:
    """Yield the file or the directory of a module, where it is to be found."""
    for root in roots:
        if (root / f"{name}.py").is_file():
            yield str(root / f"{name}.py")
        elif (root / name / "__init__.py").is_file():
            yield str(root / name)
