"""The pages of the commands, made from the text of their ``--help``."""

import re
import textwrap
from collections.abc import Iterator
from inspect import cleandoc

import click

from activator.cli import COMMANDS, activator

STATUS = """\
**0**
: done

**1**
: findings, or a run that failed

**2**
: wrong usage
"""


def pages() -> Iterator[tuple[str, str]]:
    """Yield the name of each page, such as activator-gen, and its text in Markdown."""
    context = click.Context(activator, info_name="activator", **activator.context_settings)
    yield "activator", _page(activator, context)
    for name in COMMANDS:
        command = activator.get_command(context, name)
        assert command is not None
        # As a call would have it: these say that -h is --help.
        settings = command.context_settings
        inner = click.Context(command, info_name=name, parent=context, **settings)
        yield f"activator-{name}", _page(command, inner)


def summary(page: str) -> str:
    """Return what the command of a page does, as the NAME of its manual page says it."""
    said = COMMANDS.get(page.removeprefix("activator-"), activator.help or "").splitlines()[0]
    return said[0].lower() + said[1:].rstrip(".")


def _page(command: click.Command, context: click.Context) -> str:
    path = context.command_path
    usage = " ".join([path, *command.collect_usage_pieces(context)])
    description, examples = _help(command)
    what = summary(path.replace(" ", "-"))
    parts = [
        f"# {path}\n\n{_escape(what[0].upper() + what[1:])}.\n",
        f"## Synopsis\n\n**{path}** {_escape(usage.removeprefix(path).strip())}\n",
        f"## Description\n\n{description}\n",
    ]
    if isinstance(command, click.Group):
        rows = (f"**activator-{name}**(1)\n: {_escape(COMMANDS[name])}\n" for name in COMMANDS)
        parts.append("## Commands\n\n" + "\n".join(rows))
    options = [
        record for option in command.get_params(context) if (record := _option(option, context))
    ]
    parts.append("## Options\n\n" + "\n".join(options))
    parts.append(f"## Exit status\n\n{STATUS}")
    parts.append(f"## Examples\n\n{examples}\n")
    return "\n".join(parts)


def _help(command: click.Command) -> tuple[str, str]:
    r"""Return what a command's help says, and its examples: what follows a ``\b``."""
    description, examples = [], []
    for paragraph in cleandoc(command.help or "").split("\n\n"):
        if paragraph.startswith("\b"):
            examples += _listing(paragraph.lstrip("\b\n"))
        else:
            description.append(_escape(" ".join(paragraph.split())))
    return "\n\n".join(description), "\n\n".join(examples)


def _listing(text: str) -> Iterator[str]:
    """Yield examples: their headings as text, and what is indented below them as code."""
    lines: list[str] = []
    for line in [*text.splitlines(), ""]:
        if line.startswith(" "):
            lines.append(line)
            continue
        if lines:
            yield "```\n" + textwrap.dedent("\n".join(lines)) + "\n```"
            lines = []
        if line and line not in ("Example:", "Examples:"):
            yield _escape(line)


def _option(option: click.Parameter, context: click.Context) -> str:
    """Return the record of an option; nothing for an argument."""
    record = option.get_help_record(context)
    if record is None or isinstance(option, click.Argument):
        return ""
    names, text = record
    return f"**{_escape(names)}**\n: {_escape(' '.join(text.split()))}\n"


def _escape(text: str) -> str:
    """Return text that Markdown shows as it is."""
    return re.sub(r"([\\`*_<>\[\]~|])", r"\\\1", text)
