"""Watch files for changes, with watchfiles (the extra ``reload``)."""

from collections.abc import Awaitable, Callable, Iterable, Iterator
from pathlib import Path

from activator.errors import ActivatorError
from activator.local.units.models import Plan
from activator.local.units.service_model import ServiceUnit

# What is looked at in a directory.
_SUFFIXES = (".py", ".socket", ".service", ".conf", ".toml")
_QUIET_MS = 200  # changes that come within so many milliseconds are one


class Watch:
    """Watches files and directories.

    Args:
        paths: Files, whatever they are called, and directories, of which all that belongs to
            Python, units and specs is watched.

    Raises:
        ActivatorError: watchfiles is not installed, or there is no such path.
    """

    def __init__(self, paths: Iterable[str]) -> None:
        try:
            import watchfiles  # noqa: PLC0415 - an extra
        except ImportError:
            hint = "run `pip install watchfiles`, or install python3-watchfiles"
            raise ActivatorError("--reload needs watchfiles", hint) from None
        self._watch = watchfiles.awatch
        self._files = {str(Path(path).absolute()) for path in paths if not Path(path).is_dir()}
        self._directories = {str(Path(path).absolute()) for path in paths if Path(path).is_dir()}

    async def run(self, on_change: Callable[[list[str]], Awaitable[None]]) -> None:
        """Call for every change of files, until cancelled."""
        # An editor replaces a file, so its directory is what is watched.
        roots = self._directories | {str(Path(file).parent) for file in self._files}
        watching = self._watch(
            *sorted(roots),
            watch_filter=lambda _, path: self._concerns(path),
            debounce=_QUIET_MS,
            recursive=True,
            raise_interrupt=False,
        )
        async for changes in watching:
            await on_change(sorted({path for _, path in changes}))

    def _concerns(self, path: str) -> bool:
        """Tell whether a changed path is one that is watched."""
        if path in self._files:
            return True
        if "__pycache__" in path or "/." in path or not path.endswith(_SUFFIXES):
            return False
        return any(path.startswith(f"{directory}/") for directory in self._directories)


def paths_of(plan: Plan, files: Iterable[str]) -> list[str]:
    """Return what is to be watched for a plan.

    That is: the units with their drop-ins, the specs, and of each service the programs and
    scripts on its command line, the modules of its handlers, and its working directory.

    Args:
        plan: The units.
        files: The files and folders that were named for it.
    """
    units = [*plan.services.values(), *(each.sample for each in plan.templates.values())]
    found = [path for path in files if Path(path).exists()]
    for place in [each.place for each in plan.sockets] + [each.place for each in units]:
        path = place if Path(place).exists() else place.rpartition(":")[0]
        found += [each for each in (path, f"{path}.d") if each and Path(each).exists()]
    for unit in units:
        found += _code_of(unit)
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
            if word.startswith("/") and Path(word).is_file():
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
