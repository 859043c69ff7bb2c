"""``activator directives``: the catalogue, and the keys of a spec, to read in a terminal."""

import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from activator.cli import complete
from activator.cli.output import print_json, terminal_width
from activator.errors import ActivatorError, UsageError
from activator.unitfile.directives import SECTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from activator.generate.explain import Entry

# Columns: the least room for a summary, and where the facts of a page begin.
_SUMMARY_MIN = 20
_INDENT = 14


@click.command(short_help="Look up directives: meaning, values, default, versions.")
@click.argument("name", required=False, shell_complete=complete.directives)
@click.option("--search", metavar="WORD", help="Those with WORD in the name or the summary.")
@click.option(
    "--since",
    metavar="VERSION",
    help="Those that came with VERSION or later.",
    shell_complete=complete.versions,
)
@click.option(
    "--section",
    type=click.Choice(SECTIONS, case_sensitive=False),
    metavar=f"[{'|'.join(SECTIONS)}]",
    help="Those of one section.",
)
@click.option(
    "--for",
    "listener",
    metavar="KIND",
    help="Those for tcp, udp, unix, fifo, ...",
    shell_complete=complete.listeners,
)
@click.option(
    "--format", "style", type=click.Choice(["text", "json"]), default="text", show_default=True
)
def command(
    *,
    name: str | None,
    search: str | None,
    since: str | None,
    section: str | None,
    listener: str | None,
    style: str,
) -> None:
    """Look up directives of [Unit], [Install], [Socket] and [Service], without a network.

    With NAME: all about one, or about a key of a spec, as needs. Without: a line for each, those
    that fit the options.

    \b
    Examples:
      activator directives needs
      activator directives MaxConnectionsPerSource
      activator directives --for unix
      activator directives --search restart --section Service
      activator directives --since 257 --format json
    """  # noqa: D301 - click wants the character itself
    from activator.generate import explain, keys

    sections = (section,) if section else SECTIONS
    key = None
    found: list[Entry] = []
    if name:
        if search or since or listener:
            raise UsageError("NAME goes without other choices", "give one of them")
        key = None if section else keys.facts(name)
        if not key:
            found = explain.named(name, sections)
    else:
        if listener and listener not in explain.LISTENERS:
            hint = f"give {', '.join(explain.LISTENERS)}"
            raise UsageError(f"{listener!r} is not a kind of listener", hint, place="--for")
        chosen = explain.select(
            explain.entries(("Socket",) if listener else sections),
            word=search or "",
            since=_version(since),
            listener=listener or "",
        )
        found = [entry for entry in chosen if not section or section in entry.sections]
        if not found:
            raise ActivatorError("no directive fits", "choose less")
    if style == "json":
        print_json([key] if key else [explain.facts(entry) for entry in found])
    elif key:
        click.echo(_key_page(key))
    elif name:
        click.echo("\n\n".join(_page(entry) for entry in found))
    else:
        click.echo(_table(found))


def _version(since: str | None) -> int:
    """Return the number of a version, 0 without one; any release will do."""
    from activator.common.integers import bounded
    from activator.generate.specfile import target

    if since is None or (since.isascii() and since.isdecimal()):
        return bounded(since or "0")
    try:
        return target.version(since)
    except ActivatorError as error:
        raise error.at("--since") from None


def _table(found: Sequence["Entry"]) -> str:
    """Return a line for each directive, below the sections that know it."""
    from activator.generate.explain import arrived

    width = terminal_width()
    room = max(len(entry.directive.name) for entry in found)
    lines: list[str] = []
    before: tuple[str, ...] = ()
    for entry in sorted(found, key=lambda entry: _order(entry.sections)):
        directive = entry.directive
        if entry.sections != before:
            before = entry.sections
            lines += ["", click.style(_names(before), bold=True)]
        since = str(arrived(directive) or "")
        summary = directive.summary
        left = room + len("  258  ") + 2
        if width and len(summary) > (fits := max(width - left, _SUMMARY_MIN)):
            summary = f"{summary[: fits - 1].rstrip()}…"
        line = f"  {directive.name:{room}}  {since:>3}  {summary}".rstrip()
        lines.append(click.style(line, dim=True) if directive.use else line)
    return "\n".join(lines[1:])


def _page(entry: "Entry") -> str:
    """Return all about one directive."""
    from activator.generate import explain

    directive, facts = entry.directive, explain.facts(entry)
    old = directive.status in ("legacy", "deprecated")
    instead = f"use {directive.use}" if directive.use else "remove it"
    rows = {
        "Values": facts["values"],
        "Examples": "\n".join(f"{directive.name}={example}" for example in facts["examples"][:3]),
        "Default": directive.default,
        "Concerns": explain.concern(directive),
        "In a spec": facts["spec"],
        "Repeated": explain.REPEATS[directive.repeat],
        "Specifiers": "expanded" if facts["specifiers"] else "not expanded",
        "Since": f"systemd {facts['since']}" if facts["since"] else "",
        "Removed": f"systemd {facts['removed']} ignores it" if facts["removed"] else "",
        "Status": f"{directive.status}: {instead}" if old else "",
        "Undocumented": "no manual page describes it" if directive.status == "undocumented" else "",
        "Manual": facts["manual"],
        "": facts["url"],
    }
    head = click.style(f"{directive.name}=", bold=True) + f"  {_names(entry.sections)}"
    return "\n".join([head, *_wrapped(directive.summary, "  "), "", *_labelled(rows)])


def _key_page(facts: "Mapping[str, Any]") -> str:
    """Return all about a key of a spec."""
    default = facts["default"]
    rows = {
        "Values": facts["values"],
        "Default": str(default).lower() if isinstance(default, bool) else str(default or ""),
        "Only with": facts["modes"],
        "": "it cannot be left out" if facts["required"] else "",
        "Manual": facts["manual"],
    }
    head = click.style(facts["name"], bold=True) + "  a key of a spec"
    lines = [head, *_wrapped(facts["summary"], "  "), "", *_labelled(rows)]
    for word, meaning in facts["entries"].items():
        lines += ["", click.style(f"  {word}", fg="cyan"), *_wrapped(meaning, " " * 4)]
    return "\n".join(lines)


def _labelled(rows: "Mapping[str, str]") -> "Iterator[str]":
    """Yield the lines of what there is to say, each behind its word."""
    for word, said in rows.items():
        if said:
            label = click.style(f"  {word:{_INDENT - 2}}", fg="cyan")
            first, *more = _wrapped(said, " " * _INDENT)
            yield from (label + first.lstrip(), *more)


def _wrapped(text: str, indent: str) -> list[str]:
    """Return a text as lines of the terminal's width, the whole of it without a terminal."""
    width = terminal_width() or len(text) + len(indent) + 1
    wrapper = textwrap.TextWrapper(
        width=max(width, _INDENT + _SUMMARY_MIN),
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line for part in text.split("\n") for line in wrapper.wrap(part)]


def _names(sections: Iterable[str]) -> str:
    """Return sections as units write them."""
    return " ".join(f"[{section}]" for section in sections)


def _order(sections: tuple[str, ...]) -> tuple[int, int]:
    """Return where a group of sections comes: those of one section first."""
    return len(sections), SECTIONS.index(sections[0])
