"""Unit files that people had trouble with, and their kin: what is said of them is in cases.toml."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from activator.check import check
from activator.check.inputs import Scope, worlds
from activator.check.units import ERROR, INFO, WARNING, Finding
from activator.unitfile.directives import OLDEST

VERSIONS = (OLDEST, 257, 262)
GRAVE = (INFO, WARNING, ERROR)
CASES = [
    pytest.param(case, version, id=f"{case['name']}-{version}")
    for case in tomllib.loads(Path(__file__).with_name("cases.toml").read_text())["case"]
    for version in case.get("versions", VERSIONS)
]


@pytest.mark.parametrize(("case", "version"), CASES)
def test_what_is_said_of_a_unit(case: dict[str, Any], version: int, tmp_path: Path) -> None:
    """Each case has the findings that it must have, and none of those that it must not have."""
    for name, text in case["files"].items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode(case.get("encoding", "utf-8")))
    scope = Scope([str(tmp_path)], version=version, user=case.get("user", False))
    found = [one.finding for world in worlds(scope) for one in check(world)]
    assert [] == [line for line in case.get("told", ()) if not meeting(found, line, tmp_path)], (
        found
    )
    assert [] == [one for line in case.get("spared", ()) for one in meeting(found, line, tmp_path)]
    assert len(found) <= case.get("most", len(found)), found


def meeting(found: list[Finding], line: str, folder: Path) -> list[Finding]:
    """Return the findings that a line of the table speaks of."""
    place, severity, rule, *words = line.split(" ", 3)
    file, _, number = place.rpartition(":")
    return [
        one
        for one in found
        if file in ("*", str(Path(one.file).relative_to(folder)))
        and number in ("*", str(one.line))
        and GRAVE.index(one.severity) >= GRAVE.index(severity)
        and rule in ("-", one.rule)
        and all(word in re.sub(r"\s+", " ", f"{one.message} {one.hint}") for word in words)
    ]
