"""Check units: what systemd says when it loads them, and what it does not say.

A rule yields problems (see :mod:`activator.check.registry`); here they get their places, and what
the units' own comments silence is left out.

Dependencies point one way: check → {search, refusals, settings, unit, values} → errors.
"""

from collections.abc import Iterable, Iterator

from activator.check import places, silenced
from activator.check.registry import (
    FILE,
    PAIR,
    QUADLET,
    SPEC,
    TYPES,
    UNIT,
    WORLD,
    Check,
    Found,
    Rule,
    functions,
)
from activator.check.units import SEVERITIES, Finding, Problem, Unit, World


def check(world: World) -> list[Found]:
    """Return all findings about the units that are to be looked at, by place.

    Args:
        world: The units, see :mod:`activator.check.world`.
    """
    found: dict[tuple[str, int, int, str, str], Found] = {}
    for rule, problem, units in _problems(world):
        finding = places.finding(rule, problem, units, world)
        unit = units[0] if units else None
        found.setdefault((*finding[:4], finding.message), Found(finding, rule, problem, unit))
    kept = [
        one._replace(finding=world.shown(one.finding, one.problem.entry))
        for one in silenced.heard(found.values(), world)
    ]
    return sorted(kept, key=lambda one: one.finding[:4])


def _problems(world: World) -> Iterator[tuple[Rule, Problem, tuple[Unit, ...]]]:
    """Yield what all rules have to say, each with the units it may be about."""
    if world.failures:
        yield from _asked(functions(SPEC), (), world)
    for file in world.strangers:
        yield from _asked(functions(FILE), (), file, world)
    for unit in world.checked:
        if not unit.masked:
            yield from _asked(functions(UNIT), (unit,), unit, world)
            if unit.type in TYPES:
                yield from _asked(functions(unit.type), (unit,), unit, world)
    for pair in world.pairs:
        yield from _asked(functions(PAIR), (pair.socket, pair.service), pair, world)
    for made in world.quadlets:
        yield from _asked(functions(QUADLET), (made,), made, world)
    if world.sockets or world.complete:
        yield from _asked(functions(WORLD), tuple(world.checked), world)


def _asked(
    checks: tuple[tuple[Rule, Check], ...], units: tuple[Unit, ...], *subject: object
) -> Iterator[tuple[Rule, Problem, tuple[Unit, ...]]]:
    """Yield what some rules have to say about one thing."""
    for rule, function in checks:
        for problem in function(*subject):
            yield rule, problem, units


def worst(findings: Iterable[Finding]) -> str:
    """Return the gravest severity, empty without any finding."""
    seen = {finding.severity for finding in findings}
    return next((severity for severity in SEVERITIES if severity in seen), "")
