"""The ways in: a TOML file, or the words of a command line."""

import os
import sys
from collections.abc import Mapping
from typing import Any

from activator.common.regular_file import contents
from activator.errors import ActivatorError
from activator.generate.specfile.reader import Reader
from activator.generate.specfile.source import OptionSource, TomlSource
from activator.generate.specfile.spec import Path, Spec


def load(
    path: str | os.PathLike[str],
    *,
    systemd: str | int | None = None,
    default: int | None = None,
    podman: str | None = None,
    drop: bool = False,
) -> Spec:
    """Read a spec from a TOML file; ``-`` is standard input.

    Args:
        path: The file.
        systemd: The systemd to write for, instead of the one the spec names.
        default: The same where the spec names none.
        podman: The podman to write a container for, instead of the one the spec names.
        drop: Whether to leave out what only a later systemd knows, see :attr:`Spec.notes`.

    Raises:
        ActivatorError: The file cannot be read or is wrong; each mistake has its FILE:LINE.
    """
    name = os.fspath(path)
    try:
        data = _read(name)
    except OSError as error:
        message = f"the spec cannot be read: {(error.strerror or str(error)).lower()}"
        raise ActivatorError(message, "name a TOML file", place=name) from None
    name = "<stdin>" if name == "-" else name
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        hint = "save the file as UTF-8"
        raise ActivatorError("not UTF-8", hint, place=f"{name}:{line}") from None
    return loads(text, name, systemd=systemd, default=default, podman=podman, drop=drop)


def _read(name: str) -> bytes:
    """Return what a file, or standard input, holds."""
    if name == "-":
        return sys.stdin.buffer.read()
    # A shell's <(COMMAND) is a pipe, and meant to be waited for.
    if name.startswith(("/dev/fd/", "/proc/self/fd/", "/dev/stdin")):
        with open(name, "rb", buffering=0) as file:  # noqa: PTH123 - half the time
            return file.read()
    return contents(name)[0]


def loads(
    text: str,
    name: str = "<spec>",
    *,
    systemd: str | int | None = None,
    default: int | None = None,
    podman: str | None = None,
    drop: bool = False,
) -> Spec:
    """Read a spec from TOML text.

    Args:
        text: The whole text.
        name: What to call it in messages.
        systemd: The systemd to write for, instead of the one the spec names.
        default: The same where the spec names none.
        podman: The podman to write a container for, instead of the one the spec names.
        drop: Whether to leave out what only a later systemd knows, see :attr:`Spec.notes`.

    Raises:
        ActivatorError: It is wrong; each mistake has its ``NAME:LINE``.
    """
    source = TomlSource(name, text)
    if systemd is not None:
        source.tree["systemd"] = systemd
    elif default is not None:
        source.tree.setdefault("systemd", default)
    if podman is not None and "image" in source.tree:
        source.tree["podman"] = podman
    return Reader(source, drop=drop).read()


def from_options(tree: dict[str, Any], options: Mapping[Path, str], *, drop: bool = False) -> Spec:
    """Check a spec that was given as command-line options.

    Args:
        tree: The tree that a TOML file would give.
        options: Which option gave which value.
        drop: Whether to leave out what only a later systemd knows.

    Raises:
        ActivatorError: A value is wrong; its place is the option.
    """
    return Reader(OptionSource(tree, options), drop=drop).read()
