"""The file that a word means: itself, one with a suffix added, or an installed unit."""
# Without pathlib, whose import is felt where a command starts.

import os
from collections.abc import Sequence

UNITS = (".socket", ".service")


def located(words: Sequence[str], *, paths: bool) -> tuple[str, ...]:
    """Return the files and folders that are meant; units of this machine by name or by path."""
    found = (beside(word, (".toml", *UNITS)) or _installed(word, path=paths) for word in words)
    return tuple(one or word for one, word in zip(found, words, strict=True))


def beside(word: str, suffixes: tuple[str, ...]) -> str:
    """Return the file that a word without a suffix stands for; empty if there is none."""
    if os.path.lexists(word):
        return named_alike(word) or word
    return next((name for end in suffixes if os.path.isfile(name := f"{word}{end}")), "")


def named_alike(word: str) -> str:
    """Return the spec beside a folder of its name, as a package's; empty if units are in that."""
    spec = f"{word}.toml"
    if not os.path.isdir(word) or not os.path.isfile(spec):
        return ""
    mixed = any(os.path.splitext(name)[1] in (".toml", *UNITS) for name in os.listdir(word))
    return "" if mixed else spec


def _installed(word: str, *, path: bool) -> str:
    """Return the path or the full name of a unit of this machine; empty if there is none."""
    if "/" in word:
        return ""
    if word.endswith(UNITS) and not path:
        return word
    from activator.unitfile.search import Search, system_path

    search = Search(system_path(""), "")
    for name in [word] if word.endswith(UNITS) else [f"{word}{end}" for end in UNITS]:
        if (unit := search.find(name)) is not None:
            return unit.path if path else name
    return ""
