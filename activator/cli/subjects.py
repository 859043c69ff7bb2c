"""What a command is about, however it is named: a spec, a unit, a spec's name, or a folder."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from activator.cli.located import UNITS, beside, named_alike
from activator.common.regular_file import contents
from activator.errors import ActivatorError, UsageError

if TYPE_CHECKING:
    from activator.generate.specfile import Spec


def specs(words: Iterable[str]) -> tuple[str, ...]:
    """Return the files of the specs that are meant.

    Raises:
        UsageError: A folder has none, or a unit is named, of which no spec can be made.
    """
    return tuple(path for word in words for path in _specs(word))


def _specs(word: str) -> Iterator[str]:
    if Path(word).is_dir():
        found = sorted(str(path) for path in Path(word).glob("*.toml"))
        if not found and not (spec := named_alike(word)):
            raise UsageError(f"there are no specs in {word}", "name a folder of specs, or a spec")
        yield from found or [spec]
    elif word.endswith(UNITS):
        raise UsageError(f"{word} is a unit", "name the spec that it is made from")
    else:
        yield beside(word, (".toml",)) or word


def sockets(words: Iterable[str], *, user: bool) -> tuple[str, ...]:
    """Return the names of the live sockets that are meant; what is a name already stays.

    Raises:
        ActivatorError: A spec is wrong, or a folder has neither specs nor sockets.
    """
    return tuple(dict.fromkeys(name for word in words for name in _sockets(word, user=user)))


def _sockets(word: str, *, user: bool) -> Iterable[str]:
    found = _units(word, (".socket",))
    if found is None:
        from activator.output.plan import written

        own = [file.name for file in written(_directory(user=user), {word})]
        found = [name for name in own if name.endswith(".socket")]
    return found or [word]


def running(
    words: Iterable[str], known: Callable[[], Sequence[str]], *, kinds: tuple[str, ...] = UNITS
) -> tuple[str, ...]:
    """Return the names of the units of a local activator that are meant.

    Args:
        words: What was named; a name that is neither file nor folder stays.
        known: Returns the units that run; it is asked where files are named.
        kinds: The suffixes of what specs and folders stand for.

    Raises:
        ActivatorError: A spec is wrong, or nothing of it runs.
    """
    return tuple(dict.fromkeys(name for word in words for name in _running(word, known, kinds)))


def _running(
    word: str, known: Callable[[], Sequence[str]], kinds: tuple[str, ...]
) -> Sequence[str]:
    named = word.endswith(".toml") or ("/" in word and word.endswith(UNITS))
    if not named and not os.path.lexists(word):
        return [word]
    live = known()
    if {word, *(f"{word}{kind}" for kind in UNITS)} & {*live}:
        return [word]
    found = _units(word, kinds) or []
    if Path(word).is_dir():
        found = [name for name in found if name.endswith(kinds)]
    if those := [name for name in live if name in found or _template(name) in found]:
        return those
    what = " or ".join(kind.removeprefix(".") for kind in kinds)
    raise ActivatorError(f"no {what} of {word} runs", "`activator ctl list` shows what does")


def _template(name: str) -> str:
    """Return the name of the template that an instance was made from."""
    stem, _, suffix = name.rpartition(".")
    return f"{stem.partition('@')[0]}@.{suffix}"


def _units(word: str, kinds: tuple[str, ...]) -> list[str] | None:
    """Return the units of a folder or a spec that are of some kinds, or the one that is named.

    Returns:
        None if it is neither a file nor a unit.

    Raises:
        ActivatorError: A spec is wrong, or a folder has neither specs nor units.
    """
    if Path(word).is_dir():
        found = [path for path in sorted(Path(word).iterdir()) if path.suffix in (".toml", *UNITS)]
        if not found and (spec := named_alike(word)):
            return _units(spec, kinds)
        if not found:
            hint = "name a folder of specs or units"
            raise UsageError(f"there are no units in {word}", hint)
        return [name for path in found for name in _units(str(path), kinds) or ()]
    if word.endswith(".toml"):
        from activator.generate.render import units

        return [unit.name for unit in units(_load(word)) if unit.name.endswith(kinds)]
    return [os.path.basename(word)] if word.endswith(UNITS) else None  # noqa: PTH119 - a word


def names(word: str, directory: Path) -> list[str]:
    """Return the names of the specs that are meant, for what is installed in a directory.

    Raises:
        ActivatorError: A spec is wrong, or a folder has neither specs nor units of any.
    """
    from activator.output.plan import installed

    if Path(word).is_dir():
        found = [_load(path).name for path in sorted(map(str, Path(word).glob("*.toml")))]
        found += sorted(installed(word))
        if not found and (spec := named_alike(word)):
            return names(spec, directory)
        if not found and word in installed(directory):
            return [word]
        if not found:
            raise UsageError(f"nothing in {word} tells what is meant", "name a folder of specs")
        return list(dict.fromkeys(found))
    if word.endswith(".toml"):
        return [_load(word).name if os.path.lexists(word) else Path(word).stem]
    if word.endswith(UNITS):
        unit = os.path.basename(word)  # noqa: PTH119 - a word
        return [_owner(directory / unit) or _owner(Path(word)) or unit.rpartition(".")[0]]
    return [word]


def _owner(path: Path) -> str | None:
    """Return the name of the spec that a unit was made from, or an instance of one."""
    from activator.common import origin

    stem, at, _ = path.stem.partition("@")
    for one in (path, path.with_name(f"{stem}{at}{path.suffix}")):
        try:
            return origin.name_of(contents(one)[0].decode(errors="replace"))
        except OSError:
            continue
    return None


def _load(path: str) -> "Spec":
    from activator.generate.specfile import load

    return load(path)


def _directory(*, user: bool) -> Path:
    from activator.deploy.install import place

    try:
        return place(user=user).directory
    except ActivatorError:
        return Path("/nonexistent")
