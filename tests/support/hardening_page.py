"""The tables of docs/hardening.md, made from the table of hardening.

``python -m tests.support.hardening_page`` writes them anew; a test compares.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from activator.common.symptoms import symptoms
from activator.generate import hardening
from activator.generate.hardening import Effect, Need
from activator.live.doctor import sandbox

PAGE = Path(__file__).parents[2] / "docs/hardening.md"
_TABLE = re.compile(r"(?<=<!-- table: )([a-z]+)( -->\n).*?(?=<!-- end -->)", re.DOTALL)


def page(text: str) -> str:
    """Return the page's text with its tables as they should be."""
    made = {"profiles": _profiles, "lines": _lines, "needs": _needs, "symptoms": _symptoms}
    return _TABLE.sub(lambda match: "".join([match[1], match[2], *made[match[1]]()]), text)


def _table(*rows: tuple[str, ...]) -> Iterator[str]:
    """Yield the lines of a table; the first row is its head."""
    head, *body = rows
    for row in (head, ("---",) * len(head), *body):
        yield f"| {' | '.join(row)} |\n"


def _profiles() -> Iterator[str]:
    rows = [
        (f"`{name}`", profile.summary, ", ".join(f"`{need}`" for need in profile.needs))
        for name, profile in hardening.profiles().items()
    ]
    return _table(("`hardening`", "meaning", "needs it comes with"), *rows)


def _lines() -> Iterator[str]:
    rows = [(f"`{row.name}={row.value}`", _when(row), row.why) for row in hardening.rows()]
    return _table(("line", "when", "why"), *rows)


def _when(row: hardening.Row) -> str:
    """Say when a line is there."""
    words = {
        "interpreter": "a handler with `python`",
        "notify": "a program that reports to systemd",
        "backend": "behind a proxy",
        "by-path": "at a path",
        "by-port": "at a port",
        "system": "the system's manager",
        "users": "a user's manager",
    }
    said = [text for key, text in words.items() if key in row.when]
    if row.since:
        said.append(f"systemd {row.since}")
    return ", ".join(said)


def _symptoms() -> Iterator[str]:
    lines: dict[str, dict[str, None]] = {}
    for row in sandbox.openings():
        lines.setdefault(row.need, {})[f"`{row.directive}=`"] = None
    rows = [
        (
            row.symptom,
            f"`{_argument(row.need)}`" if row.need else "none: raise it in [service]",
            ", ".join(lines[row.need.partition(":")[0]]),
            row.sure,
        )
        for row in symptoms()
    ]
    return _table(("symptom", "need", "lines that may be the cause", "how sure"), *rows)


def _argument(need: str) -> str:
    """Return a need with the word for its argument that the table of needs has."""
    words = {"{path}": "PATH", "{place}": "PATH", "{below}": "NAME", "{port}": "PORTS"}
    words |= {"{group}": "GROUP", "{owner}": "USER"}
    for term, word in words.items():
        need = need.replace(term, word)
    return need


def _needs() -> Iterator[str]:
    rows = [(f"`{need.form}`", need.summary, _changes(need)) for need in hardening.needs().values()]
    return _table(("need", "opens", "by"), *rows)


def _changes(need: Need) -> str:
    """Say what a need changes."""
    argument = need.placeholder
    parts = list(_effect(need.effect, argument))
    if need.hidden.add:
        hidden = ", ".join(_effect(need.hidden, argument))
        parts.append(f"where it is hidden: {hidden}")
    if need.capability == "{argument}":
        given = ("CapabilityBoundingSet", "AmbientCapabilities")
        parts += [*(f"`{name}={argument}`" for name in given), "`PrivateUsers=no`"]
    elif need.capability:
        parts.append(f"as `capability:{need.capability}`")
    parts += [
        f"`{name}={_value(value, argument)}` with several services"
        for name, value in need.services.items()
    ]
    parts += [
        f"`{name}={_value(value, argument)}` per connection"
        for name, value in need.instances.items()
    ]
    parts += [f"no `{row.name}={row.value}`" for row in hardening.rows() if row.unless == need.form]
    if need.requires:
        parts.append(f"only with `{need.requires}:`")
    return "; ".join(parts)


def _effect(effect: Effect, argument: str) -> Iterator[str]:
    """Say what an effect does."""
    yield from (f"`{name}={_value(value, argument)}`" for name, value in effect.set.items())
    yield from (f"`{name}=` + `{_value(value, argument)}`" for name, value in effect.add.items())
    yield from (f"`{name}=` - `{_value(value, argument)}`" for name, value in effect.remove.items())
    yield from (f"no `{name}=`" for name in effect.drop)


def _value(template: str, argument: str) -> str:
    """Return a value with words for what it is filled with."""
    return template.format(argument=argument, name="NAME", user="NAME")


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
