"""The profiles of ``hardening`` and the needs, from the tables beside this module.

A profile closes all it can, and a need opens exactly what it names. What the lines do is in
systemd.exec(5) and systemd.resource-control(5); that each need is both necessary and
sufficient is tested with real services.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from activator.common import tables
from activator.common.suggest import nearest
from activator.errors import ActivatorError
from activator.unitfile import directives, quoting

DEFAULT = "strict"
SECTION = "Service"
# What needs set besides, and takes privileges: another user, or programs in the kernel.
_PRIVILEGED = frozenset(
    {"AmbientCapabilities", "DeviceAllow", "SocketBindAllow", "SocketBindDeny", "User"}
)
# Needs of other users and privileges, which a user's manager does not have.
OTHERS = frozenset({"capability", "group", "user"})
_OWN = {"/var/lib/": "%S/", "/var/cache/": "%C/", "/var/log/": "%L/", "/run/": "%t/"}
_VERSION = re.compile(r"[-.]?[0-9][-.0-9a-z]*$")


class Profile(NamedTuple):
    """What a value of ``hardening`` means."""

    needs: tuple[str, ...]
    summary: str


class Row(NamedTuple):
    """One line of the profiles; the words are explained in the table."""

    name: str
    value: str
    why: str
    when: frozenset[str]
    since: int
    more: bool
    unless: str


class Effect(NamedTuple):
    """What a need does to the lines.

    Attributes:
        set: Directive → its only value.
        add: Directive → words that join those it has.
        remove: Directive → words that go.
        drop: Directives that go.
    """

    set: Mapping[str, str]
    add: Mapping[str, str]
    remove: Mapping[str, str]
    drop: tuple[str, ...]


class Need(NamedTuple):
    """A need, not yet with its argument.

    Attributes:
        form: How it is written, with the word for its argument: ``write:PATH``.
        summary: What it opens.
        effect: What it does.
        hidden: What it does instead, if its argument is hidden from the service.
        instances: What it sets besides where each connection has an instance.
        services: What it sets besides where the spec makes several services.
        capability: The capability that it gives, or nothing.
        requires: The need without which it cannot work, or nothing.
    """

    form: str
    summary: str
    effect: Effect
    hidden: Effect
    instances: Mapping[str, str]
    services: Mapping[str, str]
    capability: str
    requires: str

    @property
    def name(self) -> str:
        """Return the form without an argument."""
        return self.form.partition(":")[0]

    @property
    def placeholder(self) -> str:
        """Return the word that stands for the argument, or nothing."""
        word = self.form.partition(":")[2]
        return word if word.isupper() else ""


@cache
def profiles() -> Mapping[str, Profile]:
    """Return the profiles by name."""
    rows = tables.rows(__file__, "profiles.tsv")
    return {name: Profile(tuple(needs.split()), summary) for name, needs, summary in rows}


@cache
def rows() -> tuple[Row, ...]:
    """Return the profiles' lines, in order."""
    return tuple(
        Row(name, value, why, frozenset(when.split()), int(since or 0), more == "yes", unless)
        for name, value, when, since, more, unless, why in tables.rows(__file__, "lines.tsv")
    )


@cache
def system_only() -> frozenset[str]:
    """Return the directives that a user's manager does not have, or has no right to."""
    return _PRIVILEGED | {row.name for row in rows() if "system" in row.when}


def of_users(path: str) -> str:
    """Return where a directory of a service lies with a user's manager: systemd.exec(5).

    Nothing is returned for other paths.
    """
    for base, own in _OWN.items():
        if path.startswith(base):
            return own + path.removeprefix(base)
    return ""


@cache
def _hidden() -> dict[str, dict[str, str]]:
    """Return the directories that are hidden, and what is set to show a part of one."""
    rows = tables.rows(__file__, "hidden.tsv")
    return {path: dict(word.split("=", 1) for word in effect.split()) for path, effect in rows}


@cache
def _table() -> dict[str, Any]:
    """Return the table of needs and capabilities, which few specs ask for."""
    return tomllib.loads(Path(__file__).with_name("needs.toml").read_text())


@cache
def needs() -> Mapping[str, Need]:
    """Return the needs by form, in the order in which they are applied."""
    return {
        form: Need(
            form,
            row["summary"],
            _effect(row),
            _effect(row.get("hidden", {})),
            row.get("instances", {}),
            row.get("services", {}),
            row.get("capability", ""),
            row.get("requires", ""),
        )
        for form, row in _table()["needs"].items()
    }


def capabilities() -> tuple[str, ...]:
    """Return the names of all capabilities."""
    return tuple(_table()["capabilities"])


def find(text: str) -> tuple[Need, str]:
    """Return the need that a text names, and its argument.

    Args:
        text: The need as a spec writes it, as ``jit`` or ``write:/srv/data``.

    Raises:
        ActivatorError: There is none of that name, or it lacks an argument or has one too
            many.
    """
    name, _, argument = text.partition(":")
    if text in needs() and not needs()[text].placeholder:
        return needs()[text], ""
    forms = [need for need in needs().values() if need.name == name]
    for need in forms:
        if need.placeholder and argument:
            return need, argument
    if forms:
        hint = f"write {' or '.join(need.form for need in forms)}"
        raise ActivatorError(f"the need {text!r} has too few or too many arguments", hint)
    every = dict.fromkeys(need.name for need in needs().values())
    near = nearest(name, every)
    guess = f"did you mean {near!r}? " if near else ""
    hint = f"{guess}The needs are {', '.join(sorted(every))}"
    raise ActivatorError(f"unknown need {text!r}", hint)


@cache
def _compilers() -> dict[str, str]:
    return {row[0]: row[1] for row in tables.rows(__file__, "jit.tsv")}


def compiler(words: Sequence[str]) -> tuple[str, str]:
    """Return the program of a command that makes machine code at run time, and by what.

    Args:
        words: The command's words, without prefixes; what `env` runs is looked at too.

    Returns:
        The program's name and what makes the code; both empty where none is known to.
    """
    for word in words:
        name = word.rpartition("/")[2]
        if what := _compilers().get(name) or _compilers().get(_VERSION.sub("", name)):
            return name, what
        # env(1): options and assignments stand before the program.
        if name != "env" and "=" not in word and not word.startswith("-"):
            break
    return "", ""


def hiding(path: str) -> str:
    """Return the directory with which a path is hidden from the service, or nothing."""
    for directory in _hidden():
        if PurePosixPath(path).is_relative_to(directory):
            return directory
    return ""


def effect(need: Need, argument: str) -> Effect:
    """Return what a need does, given its argument; the values are still to be filled."""
    values, words = need.effect.set, need.effect.add
    if (need.hidden.set or need.hidden.add) and (directory := hiding(argument)):
        values = {**_hidden()[directory], **need.hidden.set}
        words = need.hidden.add
    if need.capability:
        name = need.capability.format(argument=argument)
        row = _table()["capabilities"][name]
        # A privilege within a user namespace is worth nothing outside it.
        values = {**values, **row.get("set", {}), "PrivateUsers": "no"}
        words = {**words, "CapabilityBoundingSet": name, "AmbientCapabilities": name}
        if "syscalls" in row:
            words["SystemCallFilter"] = row["syscalls"]
    return need.effect._replace(set=values, add=words)


def fill(name: str, template: str, terms: Mapping[str, str]) -> str:
    """Return a value of the table with its terms in it, quoted as the directive needs it.

    Args:
        name: The directive.
        template: The table's value.
        terms: What its ``{words}`` stand for, as literal text.

    Raises:
        ActivatorError: A text has no form in a unit file.
    """
    if "{" not in template:
        return template
    directive = directives.lookup(SECTION, name)
    assert directive is not None, name  # noqa: S101 - a test holds the table to the catalogue
    if directive.quoting != "words":
        return template.format_map({key: quoting.raw(text) for key, text in terms.items()})
    # A word is quoted as a whole, with what stands around the term.
    return " ".join(
        quoting.word(part.format_map(terms), escapes=False) for part in template.split()
    )


def _effect(row: Mapping[str, Any]) -> Effect:
    return Effect(
        row.get("set", {}), row.get("add", {}), row.get("remove", {}), tuple(row.get("drop", ()))
    )
