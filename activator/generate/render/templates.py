"""The templates' files: the built-in ones, and a user's own that go before them.

A user's directory may hold any of the built-in names; what it does not hold stays built-in.
A template of that directory reaches the built-in ones as ``builtin/NAME``, so that it can
extend the one it replaces.
"""

import os
import re
from functools import cache
from pathlib import Path
from types import TracebackType

import jinja2

from activator.errors import ActivatorError

_PACKAGE = Path(__file__).parents[2]
# What a user's templates call the built-in ones.
PREFIX = "builtin"
_PURPOSE = r"\{#-?\s*(.*?)\.?\s*-?#\}"


@cache
def directory() -> Path:
    """Return where the templates are: in an installed package, or beside it in a checkout."""
    inside = _PACKAGE / "templates"
    return inside if inside.is_dir() else _PACKAGE.parent / "templates"


def names() -> tuple[str, ...]:
    """Return the names of the built-in templates."""
    return tuple(sorted(path.name for path in directory().glob("*.j2")))


def find(name: str) -> str:
    """Return the full name of a built-in template.

    Args:
        name: Its name, with or without ``.j2``.

    Raises:
        ActivatorError: There is none of that name.
    """
    full = f"{name.removesuffix('.j2')}.j2"
    if full not in names():
        raise ActivatorError(f"no template {name!r} is built in", f"give {' or '.join(names())}")
    return full


def source(name: str) -> str:
    """Return the text of a built-in template."""
    return (directory() / name).read_text(encoding="utf-8")


def purpose(name: str) -> str:
    """Return what a built-in template is for: the comment in its first line."""
    match = re.match(_PURPOSE, source(name))
    return match[1] if match else ""


def environment(own: str | os.PathLike[str] | None = None) -> jinja2.Environment:
    """Return the environment that loads templates.

    An undefined name in a template is an error. A user's own templates run in jinja2's
    sandbox: a directory of templates may come from elsewhere.

    Args:
        own: The user's directory, if there is one.

    Raises:
        ActivatorError: It is no directory, or replaces no template.
    """
    built_in = jinja2.FileSystemLoader(directory())
    if own is None:
        return _made(jinja2.Environment, built_in)
    from jinja2.sandbox import ImmutableSandboxedEnvironment  # noqa: PLC0415 - rarely needed

    _check(Path(own))
    prefixed = jinja2.PrefixLoader({PREFIX: built_in})
    loaders = [jinja2.FileSystemLoader(own), built_in, prefixed]
    return _made(ImmutableSandboxedEnvironment, jinja2.ChoiceLoader(loaders))


def _made(kind: type[jinja2.Environment], loader: jinja2.BaseLoader) -> jinja2.Environment:
    """Return an environment that lays units out the way our templates are written."""
    return kind(
        loader=loader,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
        autoescape=False,  # unit files are no markup; see activator.unitfile.quoting
    )


def _check(own: Path) -> None:
    """Check that a user's directory is one, and replaces something.

    Raises:
        ActivatorError: It is not, or does not.
    """
    if not own.is_dir():
        hint = f"make one: activator templates --copy {own}"
        raise ActivatorError("there is no such directory", hint, place=str(own))
    if not any((own / name).is_file() for name in names()):
        hint = f"name a template {' or '.join(names())}"
        raise ActivatorError("the directory replaces no template", hint, place=str(own))


def explain(error: Exception, name: str) -> ActivatorError:
    """Return what went wrong in a template as an error with the file and the line.

    Args:
        error: What loading or rendering raised.
        name: The template that was asked for.
    """
    hint = "mend the template"
    file, line = _place(error.__traceback__)
    if isinstance(error, jinja2.TemplateSyntaxError):
        file, line = error.filename or error.name or file, error.lineno
        what = error.message or "the syntax is wrong"
    elif isinstance(error, jinja2.TemplateNotFound):
        what = f"there is no template {error.message!r}"
        hint = f"name a file of the directory, or {PREFIX}/{names()[0]} and its like"
    elif isinstance(error, RecursionError):
        what = "the template extends or includes itself"
        hint = f'write {{% extends "{PREFIX}/{name}" %}} for the built-in one'
    elif isinstance(error, UnicodeDecodeError):
        what, hint = "a template is not UTF-8", "save it as UTF-8"
    else:
        what = str(error) or type(error).__name__
        if not isinstance(error, jinja2.TemplateError):
            what = f"{type(error).__name__}: {what}"
    what = " ".join(what.split())
    place = _shown(file or name) + (f":{line}" if line else "")
    return ActivatorError(f"the template is wrong: {what[:1].lower()}{what[1:]}", hint, place=place)


def _place(trace: TracebackType | None) -> tuple[str, int]:
    """Return the last template's file and line in a traceback, which jinja2 has mended."""
    file, line = "", 0
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if name.endswith(".j2"):
            file, line = name, trace.tb_lineno
        trace = trace.tb_next
    return file, line


def _shown(file: str) -> str:
    """Return a template's file as messages name it."""
    path = Path(file)
    return f"{PREFIX}/{path.name}" if path.parent == directory() else file
