"""Units that Debian ships: no error on one that systemd accepts, and few things to say."""

import re
from pathlib import Path

import pytest

from activator.check import check
from activator.check.inputs import Scope, worlds
from activator.check.registry import Found
from tests.boxes.box import Box
from tests.boxes.recipes import SUITES
from tests.boxes.roots import tree_path
from tests.support.shipped import PACKAGES, unpacked

# What only a whole installation has: programs, users and what other packages bring.
INSTALLED = {"ACT110", "ACT111", "ACT112", "ACT604"}


def found(root: Path, version: int, *, user: bool = False) -> list[Found]:
    """Return what is found in all units of a root directory."""
    scope = Scope(root=str(root), whole=True, user=user, version=version)
    return [one for world in worlds(scope) for one in check(world)]


def test_no_error_on_what_systemd_accepts(box: Box) -> None:
    """Each unit of a box that has an error here is one of which systemd-analyze says so, too."""
    errors: dict[str, list[str]] = {}
    for one in found(tree_path(box.suite), box.version):
        if one.finding.severity == "error":
            assert one.unit
            errors.setdefault(one.unit.name, []).append(one.finding.message)
    for name, messages in errors.items():
        asked = name.replace("@.", "@x.")
        done = box.run("systemd-analyze", "verify", "--man=no", asked, check=False, timeout=300)
        assert re.search(rf"{re.escape(name.partition('@')[0])}[^\n]*:", done.stderr), messages


@pytest.mark.stress
@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("user", [False, True])
def test_packages_with_sockets(suite: str, *, user: bool) -> None:
    """No error in the units of more than forty packages, and no more warnings than were judged."""
    assert len(PACKAGES) >= 40
    result = found(unpacked(suite), SUITES[suite], user=user)
    units = {one.finding.file.rpartition("/")[2] for one in result}
    assert units
    errors = [one.finding for one in result if one.finding.severity == "error"]
    assert [] == [one for one in errors if one.rule not in INSTALLED]
    warnings = [
        one.finding
        for one in result
        if one.finding.severity == "warning" and one.finding.rule not in INSTALLED
    ]
    assert len(warnings) <= 60
