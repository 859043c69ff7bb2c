"""Findings as text, JSON, SARIF and commands of GitHub's workflows."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from activator.check.units import ERROR, INFO, WARNING, Finding
from activator.common.printable import printable
from activator.version import __version__

Style = Callable[..., str]
_COLOURS = {ERROR: "red", WARNING: "yellow", INFO: "cyan"}
_INDENT = "    "
_NARROWEST = 20
_LEVELS = {ERROR: "error", WARNING: "warning", INFO: "note"}
_COMMANDS = {ERROR: "error", WARNING: "warning", INFO: "notice"}
_SARIF = "https://json.schemastore.org/sarif-2.1.0.json"


def text(finding: Finding) -> str:
    """Return a finding as one line, without what a terminal would obey."""
    place = f"{finding.file}:{finding.line}:{finding.column}"
    hint = f"; {finding.hint}" if finding.hint else ""
    return printable(f"{place}: {finding.severity} {finding.rule}: {finding.message}{hint}")


def coloured(finding: Finding, style: Style, line: str = "", width: int = 80) -> Iterator[str]:
    """Yield a finding's lines for a terminal, which keep their indent when they are broken.

    Args:
        finding: The finding.
        style: Adds colour, as :func:`click.style` does.
        line: The line of the file that it is about, as it stands; empty not to show it.
        width: The columns of the terminal.
    """
    place = printable(f"{finding.file}:{finding.line}:{finding.column}")
    # The severity and the rule stay on one line.
    severity = f"{finding.severity}\0{finding.rule}"
    told = style(severity.replace("\0", " "), fg=_COLOURS[finding.severity], bold=True)
    for text in _wrapped(f"{place}: {severity}: {printable(finding.message)}", width):
        yield text.replace(place, style(place, bold=True), 1).replace(severity, told, 1)
    if line.strip():
        plain = line.expandtabs(1)
        column = len(printable(plain[: finding.column - 1]))
        shown, column = _part(printable(plain), column, width - len(_INDENT) - 1)
        yield f"{_INDENT}{shown}"
        yield f"{_INDENT}{' ' * column}{style('^', fg=_COLOURS[finding.severity], bold=True)}"
    if finding.hint:
        first, *more = _wrapped(printable(f"  hint: {finding.hint}"), width)
        yield f"  {style('hint:', fg='green')}{first.removeprefix('  hint:')}"
        yield from more


def _wrapped(text: str, width: int) -> list[str]:
    """Return a text in lines of a width; all but the first are indented."""
    from textwrap import wrap  # noqa: PLC0415 - only a terminal needs it

    return wrap(
        text,
        max(width, _NARROWEST),
        subsequent_indent=_INDENT,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _part(line: str, column: int, width: int) -> tuple[str, int]:
    """Return as much of a line as fits, and where a column of it is in that."""
    width = max(width, _NARROWEST)
    if len(line) <= width:
        return line, column
    start = max(0, min(column - width // 3, len(line) - width + 1))
    before, behind = "…" * (start > 0), "…" * (start + width < len(line))
    shown = line[start : start + width - len(before) - len(behind)]
    return before + shown + behind, column - start + len(before)


def as_json(findings: Iterable[Finding]) -> str:
    """Return findings as a JSON list of objects."""
    import json  # noqa: PLC0415 - text needs none

    rows = [finding._asdict() for finding in findings]
    return json.dumps(rows, indent=2, ensure_ascii=False)


def github(finding: Finding) -> str:
    """Return a finding as a command that GitHub shows beside the line."""
    properties = ",".join(
        f"{name}={_property(value)}"
        for name, value in (
            ("file", finding.file),
            ("line", finding.line),
            ("col", finding.column),
            ("title", finding.rule),
        )
    )
    message = finding.message + (f"; {finding.hint}" if finding.hint else "")
    return f"::{_COMMANDS[finding.severity]} {properties}::{_data(message)}"


def sarif(findings: Sequence[Finding]) -> str:
    """Return findings as a SARIF 2.1.0 log, with the rules that found something."""
    import json  # noqa: PLC0415 - only this format needs it
    from urllib.parse import quote  # noqa: PLC0415 - the same

    from activator.check.registry import rules  # noqa: PLC0415 - the same

    used = {finding.rule for finding in findings}
    known = [rule for rule in rules() if rule.id in used]
    index = {rule.id: number for number, rule in enumerate(known)}
    described: list[dict[str, Any]] = [
        {
            "id": rule.id,
            "name": "".join(word.capitalize() for word in rule.name.split("-")),
            "shortDescription": {"text": rule.summary},
            "fullDescription": {"text": rule.page.partition("\n\n")[0].replace("\n", " ")},
            "help": {"text": rule.page},
            "defaultConfiguration": {"level": _LEVELS[rule.severity]},
        }
        for rule in known
    ]
    results: list[dict[str, Any]] = [
        {
            "ruleId": finding.rule,
            **({"ruleIndex": index[finding.rule]} if finding.rule in index else {}),
            "level": _LEVELS[finding.severity],
            "message": {"text": ". ".join(filter(None, (finding.message, finding.hint)))},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": quote(os.fsencode(finding.file))},
                        "region": {"startLine": finding.line, "startColumn": finding.column},
                    }
                }
            ],
        }
        for finding in findings
    ]
    driver = {"name": "activator", "version": __version__, "rules": described}
    run = {"tool": {"driver": driver}, "results": results, "columnKind": "unicodeCodePoints"}
    return json.dumps({"$schema": _SARIF, "version": "2.1.0", "runs": [run]}, indent=2)


def _data(message: str) -> str:
    """Escape the text of a workflow command."""
    return message.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: object) -> str:
    """Escape a property of a workflow command."""
    return _data(str(value)).replace(":", "%3A").replace(",", "%2C")
