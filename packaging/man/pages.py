"""Write the manual pages, as Markdown for go-md2man, out of what else says the same.

``python packaging/man/pages.py DIRECTORY`` writes a page for the command and one for each of
its commands, from the text of ``--help``, and the pages of sections 5 and 7 from docs/. Each
file is named as its page is, with ``.md`` behind.
"""

import re
import sys
import textwrap
from collections.abc import Iterator
from datetime import UTC, datetime
from inspect import cleandoc
from os import environ
from pathlib import Path

import click

from activator.cli import COMMANDS, activator
from activator.version import __version__

ROOT = Path(__file__).parents[2]
# Page → what it is made from, and what it is about in a line.
DOCUMENTS = {
    "activator.toml.5": ("spec.md", "the spec that units are made from"),
    "activator-needs.7": ("hardening.md", "what a hardened service may do nevertheless"),
    "activator-runtime.7": ("runtime.md", "what runs inside a socket-activated service"),
    "activator-descriptors.7": ("descriptors.md", "passed descriptors, by kind and by name"),
    "activator-local.7": ("local.md", "unit files that run without systemd"),
    "activator-rules.7": ("rules.md", "what activator check finds"),
    "activator-testing.7": ("testing.md", "the pytest plugin"),
}
STATUS = """\
**0**
: done

**1**
: findings, or a run that failed

**2**
: wrong usage
"""
_HEADING = re.compile(r"^(#+) (.*)$", re.MULTILINE)
_FENCE = re.compile(r"(^```.*?^```$)", re.DOTALL | re.MULTILINE)
# Comments, and pictures, which a terminal does not show.
_UNSEEN = re.compile(r"<!--.*?-->\n?|<picture>.*?</picture>\n\n?", re.DOTALL)
_TABLE = re.compile(r"^\|.*\|\n\|[ :]*---.*\n((?:\|.*\|\n?)*)", re.MULTILINE)
# What heads the column that comes first in a list; else it is the last one.
_SAYING = ("meaning", "opens", "finds")
# troff takes what begins with a dot for a macro, and go-md2man lets it.
_DOTTED = re.compile(r"^(?=\.)", re.MULTILINE)
_LINK = re.compile(r"\[([^\]]+)\]\([^)]+\)")


def main(directory: Path) -> None:
    """Write all pages.

    Args:
        directory: Where to; made if it is not there.
    """
    directory.mkdir(parents=True, exist_ok=True)
    for page, text in pages():
        (directory / f"{page}.md").write_text(text, encoding="utf-8")


def pages() -> Iterator[tuple[str, str]]:
    """Yield each page's name and its text."""
    context = click.Context(activator, info_name="activator")
    yield "activator.1", command_page(activator, context)
    for name in COMMANDS:
        command = activator.get_command(context, name)
        assert command is not None
        inner = click.Context(command, info_name=name, parent=context)
        yield f"activator-{name}.1", command_page(command, inner)
    for page, (source, summary) in DOCUMENTS.items():
        name, _, section = page.rpartition(".")
        yield page, document_page(name, section, (ROOT / "docs" / source).read_text(), summary)


# ---- commands


def command_page(command: click.Command, context: click.Context) -> str:
    """Return a command's page."""
    path = context.command_path
    summary = COMMANDS.get(context.info_name or "", "make systemd socket activation easy and right")
    usage = " ".join([path, *command.collect_usage_pieces(context)])
    parts = [
        _head(path.replace(" ", "-"), "1", summary[0].lower() + summary[1:].rstrip(".")),
        f"# SYNOPSIS\n\n**{path}** {_escape(usage.removeprefix(path).strip())}\n",
        f"# DESCRIPTION\n\n{_description(command)}\n",
    ]
    if isinstance(command, click.Group):
        rows = (f"**activator-{name}**(1)\n: {_escape(COMMANDS[name])}\n" for name in COMMANDS)
        parts.append("# COMMANDS\n\n" + "\n".join(rows))
    options = [
        record for option in command.get_params(context) if (record := _option(option, context))
    ]
    parts.append("# OPTIONS\n\n" + "\n".join(options))
    parts.append(f"# EXIT STATUS\n\n{STATUS}")
    parts.append(_see_also("activator.1" if context.parent else "", *DOCUMENTS, "systemd.socket.5"))
    return "\n".join(parts)


def _description(command: click.Command) -> str:
    r"""Return what a command's help says; what follows a ``\b`` is shown as it stands."""
    paragraphs = []
    for paragraph in cleandoc(command.help or "").split("\n\n"):
        if paragraph.startswith("\b"):
            paragraphs += _listing(paragraph.lstrip("\b\n"))
        else:
            paragraphs.append(_escape(" ".join(paragraph.split())))
    return "\n\n".join(paragraphs) + "\n"


def _listing(text: str) -> Iterator[str]:
    """Yield an example: its headings as text, and what is indented below them as code."""
    lines: list[str] = []
    for line in text.splitlines():
        if line.startswith(" "):
            lines.append(line)
            continue
        if lines:
            yield _code(lines)
            lines = []
        yield _escape(line)
    if lines:
        yield _code(lines)


def _code(lines: list[str]) -> str:
    return "```\n" + textwrap.dedent("\n".join(lines)) + "\n```"


def _option(option: click.Parameter, context: click.Context) -> str:
    """Return the record of an option; nothing for an argument."""
    record = option.get_help_record(context)
    if record is None or isinstance(option, click.Argument):
        return ""
    names, text = record
    return f"**{_escape(names)}**\n: {_escape(' '.join(text.split()))}\n"


# ---- documents


def document_page(name: str, section: str, text: str, summary: str) -> str:
    """Return the page of a document: its title becomes the name, its headings move up."""
    body = _UNSEEN.sub("", text).partition("\n")[2]
    # Every other part is a block of code.
    parts = _FENCE.split(body)
    parts[::2] = map(_prose, parts[::2])
    parts[1::2] = (_DOTTED.sub(" ", part) for part in parts[1::2])
    body = "".join(parts)
    return "\n".join(
        [
            _head(name, section, summary),
            f"# DESCRIPTION\n\n{body.strip()}\n",
            _see_also("activator.1", *DOCUMENTS, "systemd.socket.5", "systemd.service.5"),
        ]
    )


def _prose(text: str) -> str:
    """Return what stands between blocks of code: headings a level higher, tables as lists."""
    text = _HEADING.sub(lambda match: f"{match[1][1:]} {_cased(match)}", text)
    return _LINK.sub(r"\1", _TABLE.sub(_definitions, text))


def _definitions(table: re.Match[str]) -> str:
    """Return a table as a list of terms and their meanings, which fit any width."""
    _, *headings = _cells(table[0].partition("\n")[0])
    saying = next((name for name in headings if name.lower() in _SAYING), headings[-1])
    records = []
    for row in table[1].splitlines():
        term, *cells = _cells(row)
        told = dict(zip(headings, cells, strict=False))
        parts = [told.pop(saying), *(f"{name}: {cell}" for name, cell in told.items() if cell)]
        meaning = " ".join(f"{part.rstrip('.')}." for part in parts if part)
        records.append(f"{term}\n: {meaning[:1].upper()}{meaning[1:]}\n")
    return "\n".join(records)


def _cells(row: str) -> list[str]:
    """Return what stands in a row of a table; a bar in it is escaped."""
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", row)[1:-1]]


def _cased(match: re.Match[str]) -> str:
    """Return a heading's text: in capitals at the top level, as manual pages have it."""
    return match[2].upper() if len(match[1]) == 2 else match[2]  # noqa: PLR2004 - "##"


# ---- shared


def _head(name: str, section: str, summary: str) -> str:
    """Return the title line and the first section, by which a page is found."""
    epoch = environ.get("SOURCE_DATE_EPOCH")
    day = datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC)
    title = f'% {name} {section} "{day:%Y-%m-%d}" "activator {__version__}" "activator"'
    return f"{title}\n\n# NAME\n\n{name} - {_escape(summary)}\n"


def _see_also(*pages: str) -> str:
    rows = (page.rpartition(".") for page in pages if page)
    return (
        "# SEE ALSO\n\n" + ", ".join(f"**{name}**({section})" for name, _, section in rows) + "\n"
    )


def _escape(text: str) -> str:
    """Return text that Markdown shows as it is."""
    return re.sub(r"([\\`*_<>\[\]~|])", r"\\\1", text)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
