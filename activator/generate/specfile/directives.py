"""A table of directives, checked against the catalogue, as settings of a unit."""

from collections.abc import Callable, Iterator
from typing import Any

from activator.errors import ActivatorError
from activator.generate.specfile.spec import Path, Setting
from activator.unitfile import directives, quoting, unquoting
from activator.unitfile.values import judge_written
from activator.unitfile.values.verdict import NOTICE, OK

# Tells of a mistake at a path.
Report = Callable[[ActivatorError, Path], None]

_MANUALS = {
    "Unit": "systemd.unit(5)",
    "Install": "systemd.unit(5)",
    "Socket": "systemd.socket(5)",
    "Service": "systemd.service(5) and systemd.exec(5)",
}


def read_table(
    table: Any, section: str, path: Path, version: int, report: Report
) -> Iterator[Setting]:
    """Yield a table's directives as settings, lists as repeats.

    Args:
        table: A table of TOML values.
        section: The section its directives belong to.
        path: Where it stands.
        version: The systemd version it is for.
        report: Called with each mistake.
    """
    if not isinstance(table, dict):
        report(ActivatorError(f"{path[-1]} is not a table", "give a table of directives"), path)
        return
    for name, value in table.items():
        here = (*path, name)
        directive = directives.lookup(section, name)
        if directive is None:
            hint = directives.suggest(section, name) or f"see {_MANUALS[section]}"
            report(ActivatorError(f"[{section}] has no directive {name!r}", hint), here)
            continue
        if isinstance(value, list) and len(value) > 1 and directive.repeat.startswith("single"):
            what = f"{name}= is given {len(value)} values, and only the last would count"
            report(ActivatorError(what, "give one"), here)
            continue
        items = list(enumerate(value)) if isinstance(value, list) else [(None, value)]
        for index, item in items:
            where = here if index is None else (*here, index)
            try:
                text = _written(directive, item)
                check(directive, text, version)
            except ActivatorError as error:
                report(error, where)
            else:
                yield Setting(section, name, text, where)


class Newer(ActivatorError):  # noqa: N818 - what can be left out
    """The version written for does not know a directive or a value that a later one knows."""


def check(directive: directives.Directive, value: str, version: int) -> None:
    """Check that systemd would do what a line says.

    Raises:
        Newer: A later version would.
        ActivatorError: None would, or a part of the value would be dropped without a word.
    """
    verdict = judge_written(directive, value, version)
    if verdict.outcome in (OK, NOTICE):
        return
    for later in range(version + 1, directives.NEWEST + 1):
        if judge_written(directive, value, later).outcome in (OK, NOTICE):
            what = f"{directive.name}={value}" if directive.known(version) else f"{directive.name}="
            raise Newer(
                f"systemd {version} does not know {what}",
                f"it needs {later} or later; set systemd = {later}, or give --newer=drop",
            )
    raise verdict.error()


def write(directive: directives.Directive, value: Any) -> str:
    """Return a TOML value in a unit file's own syntax.

    Strings are systemd's syntax as they stand; ``{ literal = ... }`` is text to be quoted.

    Raises:
        ActivatorError: The value has no such form, or would not stay on its line.
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        if directive.type == "mode":
            # TOML's 0o660 arrives as 432, which is a mode too.
            raise ActivatorError("a mode is not a number", 'write it in quotes, as in "0660"')
        return str(value)
    if isinstance(value, str):
        return one_line(value)
    if isinstance(value, dict) and list(value) == ["literal"]:
        return _literal(directive, value["literal"])
    hint = "give a string, a number, true or false, or a list of them"
    raise ActivatorError("the value has the wrong type", hint)


def one_line(text: str) -> str:
    """Return a value in systemd's syntax, if it stays on its line.

    Raises:
        ActivatorError: It holds a line break or NUL, or would join the next line.
    """
    text = text.strip(unquoting.WHITESPACE)
    # The same conditions as for literal text; only "%" is left as it stands.
    return quoting.raw(text, specifiers=False)


def _literal(directive: directives.Directive, value: Any) -> str:
    """Quote literal text the way a directive's parser will undo."""
    words = [value] if isinstance(value, str) else value
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise ActivatorError("literal is neither a string nor a list of strings", "give text")
    specifiers = directive.specifiers
    if directive.quoting == "command":
        return quoting.command(words)
    if directive.quoting in ("words", "environment"):
        escapes = directive.quoting == "environment"
        return " ".join(
            quoting.word(word, specifiers=specifiers, escapes=escapes) for word in words
        )
    if len(words) != 1:
        raise ActivatorError("the directive takes one text", "give literal a string")
    return quoting.raw(words[0], specifiers=specifiers)


def _written(directive: directives.Directive, value: Any) -> str:
    """Return :func:`write`'s text, or raise its error with the directive's name."""
    try:
        return write(directive, value)
    except ActivatorError as error:
        raise ActivatorError(f"{directive.name}=: {error.message}", error.hint) from None
