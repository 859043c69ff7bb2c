"""What was learned, as text and as JSON."""

import json
from typing import TYPE_CHECKING

import click

from activator.common.printable import printable

if TYPE_CHECKING:
    from activator.cli.verified import Verified
    from activator.learn import Evidence, Lesson


def plain(lesson: "Lesson", verified: "Verified | None") -> str:
    """Return what was learned as JSON."""
    told: dict[str, object] = {
        "needs": lesson.needs,
        "missing": lesson.missing,
        "unused": lesson.unused,
        "impossible": [one._asdict() for one in lesson.impossible],
        "evidence": [one._asdict() for one in lesson.evidence],
    }
    if lesson.forbidding or lesson.idle:
        told["forbidding"] = [{"line": line, "need": need} for line, need in lesson.forbidding]
        told["idle"] = lesson.idle
    if verified:
        told["verified"] = verified._asdict()
    return json.dumps(told, indent=2, ensure_ascii=True) + "\n"


def shown(lesson: "Lesson", verified: "Verified | None") -> str:
    """Return what was learned as text: a line for the spec first."""
    words = ", ".join(f'"{need}"' for need in lesson.needs)
    lines = [click.style(printable(f"needs = [{words}]"), bold=True)]
    for need in lesson.needs:
        mark = " (missing)" if need in lesson.missing else ""
        lines.append(f"\n{printable(need)}{click.style(mark, fg='red')}")
        lines += [f"    {_line(one)}" for one in lesson.evidence if one.need == need]
    for title, texts in (
        ("not needed", verified.spare if verified else ()),
        ("not used", lesson.unused),
        ("no need opens", [_line(one) for one in lesson.impossible]),
        ("forbidden by", [f"{line} ({need})" for line, need in lesson.forbidding]),
        ("not in the way", lesson.idle),
    ):
        if texts:
            lines += [f"\n{title}", *(f"    {printable(text)}" for text in texts)]
    if verified:
        said = f"does not hold: {verified.reason}" if verified.reason else "holds"
        lines += ["", click.style(printable(f"systemd {verified.systemd}: {said}"), bold=True)]
    return "".join(f"{line}\n" for line in lines)


def _line(one: "Evidence") -> str:
    often = "once" if one.times == 1 else f"{one.times} times"
    return printable(f"{one.call} {one.what} ({one.program or 'a child'}, {often})")
