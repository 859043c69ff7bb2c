"""The rules: a table of identifiers, and the functions that find problems.

A rule is a generator named like its row, in the module that the row names; its docstring is
its page. What it is called with depends on what it is about: a unit, a pair of socket and
service, or the world of all units.
"""

import re
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from typing import NamedTuple

from activator.check.units import Finding, Problem, Unit
from activator.common import tables
from activator.errors import UsageError

# What a rule may be about: its function gets that and the world.
UNIT, PAIR, WORLD, SPEC, FILE = "unit", "pair", "world", "spec", "file"
QUADLET = "quadlet"
TYPES = ("socket", "service")


Check = Callable[..., Iterator[Problem]]


class Rule(NamedTuple):
    """One rule.

    Attributes:
        id: Its identifier, such as ``ACT101``; it never changes.
        name: Its name, such as ``unknown-section``.
        about: ``unit`` (of any type), ``socket``, ``service``, ``pair``, ``world``, ``spec``,
            ``file`` (one that is no unit), ``quadlet`` (of which podman makes one) or ``comment``.
        severity: ``error``, ``warning`` or ``info``, unless a problem says otherwise.
        module: The module of its function.
        met: Where users met it: reports of other projects.
        summary: One line.
    """

    id: str
    name: str
    about: str
    severity: str
    module: str
    met: str
    summary: str

    @property
    def function(self) -> Check:
        """Return the generator that finds problems."""
        module = import_module(f"activator.check.rules.{self.module}")
        found: Check = getattr(module, self.name.replace("-", "_"))
        return found

    @property
    def page(self) -> str:
        """Return what its docstring says, as text."""
        from inspect import getdoc  # noqa: PLC0415 - only who reads a page needs it

        return getdoc(self.function) or ""


class Found(NamedTuple):
    """A finding with the rule, the problem and the unit it comes from."""

    finding: Finding
    rule: Rule
    problem: Problem
    unit: Unit | None


class Example(NamedTuple):
    """An example of a rule's page: file name → text."""

    files: dict[str, str]
    bad: bool


@cache
def rules() -> tuple[Rule, ...]:
    """Return all rules, in the order of their identifiers."""
    return tuple(Rule(*row) for row in tables.rows(__file__, "rules.tsv"))


@cache
def functions(about: str) -> tuple[tuple[Rule, Check], ...]:
    """Return the rules about something, each with its function."""
    return tuple((rule, rule.function) for rule in rules() if rule.about == about)


def named(word: str) -> Rule:
    """Return a rule by its identifier or name.

    Raises:
        UsageError: There is none.
    """
    wanted = word.strip().lower()
    for rule in rules():
        if wanted in (rule.id.lower(), rule.name):
            return rule
    from activator.common.suggest import nearest  # noqa: PLC0415 - only a mistake needs it

    near = nearest(word, [text for rule in rules() for text in (rule.id, rule.name)])
    hint = f"did you mean {near}?" if near else "activator check --explain all lists them"
    raise UsageError(f"there is no rule {word!r}", hint)


def examples(rule: Rule) -> list[Example]:
    """Return the examples of a rule's page; a comment with a file's name begins each file."""
    from inspect import cleandoc  # noqa: PLC0415 - the same

    found = []
    for match in re.finditer(r"^(Bad|Good)::\n((?:\n|    .*\n?)+)", rule.page, re.MULTILINE):
        text = cleandoc(match[2])
        parts = re.split(r"^# (\S+\.\S+)(?: \(.*\))?\n", text, flags=re.MULTILINE)
        files = {
            name: body.rstrip("\n") + "\n"
            for name, body in zip(parts[1::2], parts[2::2], strict=True)
        }
        found.append(Example(files, match[1] == "Bad"))
    return found
