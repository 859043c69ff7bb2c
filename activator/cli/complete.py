"""What the shell offers for a word that is being typed.

Each function here is the ``shell_complete`` of some parameter; what it needs is imported
when a word is completed, and only then.
"""

import os
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, TypeAlias

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    Items: TypeAlias = list[CompletionItem[str]]

# Names that reach every shell as they are.
_PLAIN = r"[A-Za-z0-9_./+@-]*"
# What --set of `activator gen` assigns to: the tables of a spec, of directives and of others.
VARIABLES = ("environment", "limits", "cgroup", "tls")
TABLES = ("socket", "service", "unit", "install", "container", *VARIABLES)
# Arguments of needs: the directive of [Service] that has their words.
_NEEDED = {
    "CAPABILITY": "CapabilityBoundingSet",
    "FAMILY": "RestrictAddressFamilies",
    "KINDS": "RestrictNamespaces",
    "CALLS": "SystemCallFilter",
}
# Typed behind --set: a table, a directive's name and the beginning of its value.
_ASSIGNMENT = r"(?P<table>[a-z]*)(?P<dot>\.(?P<name>\w*)(?P<equals>=(?P<value>.*))?)?"


def specs(_: click.Context, __: click.Parameter, incomplete: str) -> "Items":
    """Offer specs, and directories that may hold some."""
    return _files(incomplete, (".toml",))


def units(_: click.Context, __: click.Parameter, incomplete: str) -> "Items":
    """Offer specs and unit files."""
    return _files(incomplete, (".toml", ".socket", ".service"))


def runnable(context: click.Context, parameter: click.Parameter, incomplete: str) -> "Items":
    """Offer specs and unit files, and the sockets of the system once a word has begun."""
    items = units(context, parameter, incomplete)
    if not incomplete or "/" in incomplete:
        return items

    from activator.unitfile.search import Search, is_template, system_path

    here = {item.value for item in items}
    names = {name for name in Search(system_path()).names if name.endswith(".socket")}
    known = sorted(name for name in names - here if not is_template(name))
    return items + _beginning(incomplete, known)


def checked(_: click.Context, __: click.Parameter, incomplete: str) -> "Items":
    """Offer specs and units of all types."""
    from activator.unitfile.search import UNIT_TYPES

    return _files(incomplete, (".toml", ".conf", *(f".{kind}" for kind in UNIT_TYPES)))


def adoptable(context: click.Context, parameter: click.Parameter, incomplete: str) -> "Items":
    """Offer unit files and configurations, and the units of the system once a word has begun."""
    items = _files(incomplete, (".socket", ".service", ".conf", "Procfile"))
    return items if not incomplete else items + runnable(context, parameter, incomplete)


def rules(_: click.Context, __: click.Parameter, incomplete: str) -> "Items":
    """Offer the rules that units are checked by."""
    from activator.check.registry import rules as table

    known = [word for rule in table() for word in (rule.id, rule.name)]
    return _beginning(incomplete, ["all", *known])


def live_sockets(_: click.Context, __: click.Parameter, incomplete: str) -> "Items":
    """Offer the sockets that the manager has loaded."""
    from activator.errors import ActivatorError
    from activator.live.manager import Manager

    try:
        return _beginning(incomplete, Manager().loaded("socket"))
    except ActivatorError:
        return []


def running_units(context: click.Context, _: click.Parameter, incomplete: str) -> "Items":
    """Offer the units of the local activator that runs, as `activator ctl` takes them."""
    from activator.errors import ActivatorError
    from activator.local.control import ask, default_path

    try:
        rows = ask(context.params.get("control_socket") or default_path(), "list", [])
    except ActivatorError:
        return []
    names = [str(row["unit"]) for row in rows]
    if context.params.get("verb") in ("start", "restart"):
        names = [name for name in names if name.endswith(".service")]
    given = context.params.get("names") or ()
    return _beginning(incomplete, [name for name in names if name not in given])


def directories(_: click.Context, __: click.Parameter, incomplete: str) -> "Items":
    """Let the shell offer directories."""
    return [_item(incomplete, kind="dir")]


def versions(_: click.Context, __: click.Parameter, incomplete: str) -> "Items":
    """Offer the versions of systemd that have a name or that were looked at."""
    from activator.unitfile.directives import SUITES, VERSIONS

    return _beginning(incomplete, [*SUITES, "installed", *map(str, VERSIONS)])


def intents(_: click.Context, parameter: click.Parameter, incomplete: str) -> "Items":
    """Offer the values of one of the spec's own keys, by the option's name."""
    from activator.generate.specfile.intents import intents as table

    row = table().get((parameter.name or "").replace("_", "-"))
    return _beginning(incomplete, row.values if row else ())


def needs(_: click.Context, __: click.Parameter, incomplete: str) -> "Items":
    """Offer what a hardened service may need, then the arguments of one that takes some."""
    from activator.generate.hardening import needs as table

    forms = {form.removesuffix(need.placeholder): need for form, need in table().items()}
    name, colon, start = incomplete.partition(":")
    need = forms.get(name + colon)
    if colon and need and need.placeholder:
        found = _arguments(need.placeholder, start)
        return [_item(f"{name}:{value}") for value in found if value.startswith(start)]
    # zsh takes a colon for the beginning of a meaning.
    return [
        _item(form, "" if ":" in form else need.summary)
        for form, need in forms.items()
        if form.startswith(incomplete)
    ]


def _arguments(placeholder: str, start: str) -> Iterable[str]:
    """Return what may stand for the argument of a need."""
    if placeholder in ("PATH", "DEVICE"):
        path = start or ("/dev/" if placeholder == "DEVICE" else "/")
        return _paths(path.rpartition("/")[0] or "/") if path.startswith("/") else ()
    if placeholder == "USER":
        from pwd import getpwall

        return (user.pw_name for user in getpwall())
    if placeholder == "GROUP":
        from grp import getgrall

        return (group.gr_name for group in getgrall())
    if placeholder == "ADDRESS":
        return ("any", "localhost", "link-local", "multicast")
    directive = _NEEDED.get(placeholder)
    return _values("Service", directive) if directive else ()


def listeners(_: click.Context, __: click.Parameter, incomplete: str) -> "Items":
    """Offer kinds of listeners."""
    from activator.generate.explain import LISTENERS

    return _beginning(incomplete, LISTENERS)


def templates(_: click.Context, __: click.Parameter, incomplete: str) -> "Items":
    """Offer the built-in templates."""
    from activator.generate.render import templates as files

    return [
        _item(name, files.purpose(name)) for name in files.names() if name.startswith(incomplete)
    ]


def directives(context: click.Context, _: click.Parameter, incomplete: str) -> "Items":
    """Offer directives and keys of a spec, or the directives of the section that is named."""
    from activator.unitfile.directives import SECTIONS

    section = context.params.get("section")
    found = dict(_directives((section,) if section else SECTIONS, incomplete))
    if not section:
        from activator.generate.specfile.intents import intents

        keys = intents().items()
        found |= {name: key.summary for name, key in keys if name.startswith(incomplete)}
    return [_item(name, summary) for name, summary in found.items()]


def assignments(_: click.Context, __: click.Parameter, incomplete: str) -> "Items":
    """Offer TABLE., then directives of that table, then values of that directive."""
    match = re.fullmatch(_ASSIGNMENT, incomplete)
    if match is None:
        return []
    table = match["table"]
    if not match["dot"]:
        return _beginning(table, [f"{word}." for word in TABLES])
    if table not in TABLES or table in VARIABLES:
        return []
    if table == "container":
        from activator.unitfile import quadlet

        return _beginning(incomplete, [f"{table}.{key}=" for key in quadlet.names("Container")])
    section, start = table.capitalize(), f"{table}.{match['name']}="
    if match["equals"]:
        values = _values(section, match["name"])
        return _beginning(incomplete, [f"{start}{value}" for value in values])
    return [
        _item(f"{table}.{name}=", summary)
        for name, summary in _directives((section,), match["name"], for_specs=True)
    ]


def _directives(
    sections: Iterable[str], start: str, *, for_specs: bool = False
) -> Iterator[tuple[str, str]]:
    """Yield names that begin so, in upper or lower case, with their summaries."""
    from activator.generate.explain import entries
    from activator.generate.specfile.reader import RESERVED

    seen = set()
    for entry in entries(sections):
        directive = entry.directive
        hidden = for_specs and (directive.use or (directive.section, directive.name) in RESERVED)
        if directive.name.lower().startswith(start.lower()) and not hidden:
            if directive.name not in seen:
                yield directive.name, directive.summary
            seen.add(directive.name)


def _values(section: str, name: str) -> list[str]:
    """Return the words that a directive takes."""
    from activator.unitfile.directives import lookup
    from activator.unitfile.forms import form

    directive = lookup(section, name)
    if directive is None:
        return []
    known = form(directive)
    return [*known.words, *(("yes", "no") if known.booleans else ())]


def _beginning(start: str, words: Iterable[str]) -> "Items":
    """Return the words that begin so."""
    return [_item(word) for word in words if word.startswith(start)]


def _files(start: str, suffixes: tuple[str, ...]) -> "Items":
    """Offer files with some suffixes, and directories on the way.

    Where there are none, or a name that a shell would have to quote, the shell completes
    files by itself.
    """
    folder, slash, name = start.rpartition("/")
    found = []
    try:
        with os.scandir(folder + slash or ".") as listed:
            for entry in listed:
                if entry.name.startswith(name) and (name or not entry.name.startswith(".")):
                    is_folder = entry.is_dir()
                    if is_folder or entry.name.endswith(suffixes):
                        found.append(f"{folder}{slash}{entry.name}{'/' if is_folder else ''}")
    except OSError:
        pass
    files = any(path.endswith(suffixes) for path in found)
    if not files or not all(re.fullmatch(_PLAIN, path) for path in found):
        return [_item(start, kind="file")]
    return [_item(path) for path in sorted(found)]


def _paths(folder: str) -> list[str]:
    """Return the paths in a folder that reach every shell as they are, with / behind folders."""
    try:
        with os.scandir(folder) as listed:
            shown = (entry for entry in listed if not entry.name.startswith("."))
            paths = (f"{entry.path}{'/' if entry.is_dir() else ''}" for entry in shown)
            return sorted(path for path in paths if re.fullmatch(_PLAIN, path))
    except OSError:
        return []


def _item(value: str, meaning: str = "", kind: str = "plain") -> "CompletionItem[str]":
    """Return what the shell offers, with its meaning where the shell shows one."""
    from click.shell_completion import CompletionItem

    return CompletionItem(value, type=kind, help=meaning or None)
