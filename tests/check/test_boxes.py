"""The loader's rules against the real one: random faults, line by line, in each version."""

import re
from collections import defaultdict
from pathlib import PurePosixPath

import pytest

from activator.check import check
from activator.check.units import INFO
from activator.check.world import Texts
from tests.boxes.box import Box
from tests.support import mutants

pytestmark = pytest.mark.each_systemd

VERIFY = "systemd-analyze verify --man=no --recursive-errors=yes mutant-[0-9]*"
# The rules that speak for the loader; what is missing in a box is no fault of a line.
LOADER = {f"ACT{number}" for number in range(101, 110)} | {"ACT113", "ACT114"}
# systemd says these without a file's name, of which a batch cannot tell whose they are.
NAMELESS = ("unusual", "OnFailureIsolate", "does nothing without", "a reload refreshes")
# It says these of what is around a unit, when it would start it.
AROUND = re.compile(
    r"is not executable|Failed to create .*/start|Dependency .* dropped|ordering cycle"
    r"|Unsupported CPU scheduling policy"  # by this kernel
    r"|Found dependency on|Job .* deleted|Transaction|Unit .* not found|Failed to prepare filename"
)
_LINE = re.compile(r"(?:\S*/)?(mutant-[0-9]+\.\w+):([0-9]+): (.*)")
_UNIT = re.compile(r"(?:Unit )?(mutant-[0-9]+\.\w+)(?::| has a bad unit file setting)(.*)")


def verified(box: Box, units: dict[str, str]) -> dict[str, dict[int, str]]:
    """Return what systemd says of units: name → line (0 for all of it) → message."""
    directory = PurePosixPath(box.run("mktemp", "--directory").stdout.strip())
    box.write_all(directory, units | mutants.TARGET)
    done = box.run("sh", "-c", f"cd {directory} && {VERIFY}", check=False, timeout=300)
    box.run("rm", "--recursive", str(directory))
    said: dict[str, dict[int, str]] = defaultdict(dict)
    for line in (done.stdout + done.stderr).splitlines():
        if AROUND.search(line):
            continue
        if match := _LINE.match(line):
            said[match[1]][int(match[2])] = match[3]
        elif match := _UNIT.match(line):
            said[match[1]].setdefault(0, match[2])
    return said


def judged(units: dict[str, str], version: int) -> dict[str, dict[int, str]]:
    """Return what the rules say of units, in the same form."""
    said: dict[str, dict[int, str]] = defaultdict(dict)
    for one in check(Texts(units | mutants.TARGET, version)):
        finding = one.finding
        if finding.rule in LOADER and finding.severity != INFO:
            said[finding.file][finding.line] = f"{finding.rule} {finding.message}"
    return said


def differences(
    units: dict[str, str], real: dict[str, dict[int, str]], ours: dict[str, dict[int, str]]
) -> list[str]:
    """Return the lines about which the two disagree."""
    found = []
    for name, text in units.items():
        lines = text.splitlines()
        theirs, mine = real.get(name, {}), ours.get(name, {})
        # systemd reads no further than to the line that it cannot forgive.
        fatal = [line for line, said in mine.items() if said.startswith("ACT107")]
        last = min([line for line in fatal if line in theirs], default=len(lines))
        refused = bool(fatal)
        agreed = 0 in theirs or last < len(lines)
        found += [
            f"{name}:{line}: {lines[line - 1]!r} missed: {theirs[line]}"
            for line in sorted(set(theirs) - set(mine) - {0})
        ]
        for line in sorted(set(mine) - set(theirs)):
            nameless = any(word in mine[line] for word in NAMELESS)
            whole = mine[line].startswith("ACT107") and agreed
            if line <= last and not nameless and not whole:
                found.append(f"{name}:{line}: {lines[line - 1]!r} too much: {mine[line]}")
        if 0 in theirs and not refused and not mine:
            found.append(f"{name}: {theirs[0]}")
    return found


def test_random_faults(box: Box) -> None:
    """Hundreds of units with thousands of lines: the same ones are wrong, in each version."""
    units = mutants.units(seed=box.version, count=600)
    assert [] == differences(units, verified(box, units), judged(units, box.version))


@pytest.mark.stress
def test_many_random_faults(box: Box) -> None:
    """The same with units by the thousand."""
    for seed in range(20):
        units = mutants.units(seed=seed, count=1000)
        assert [] == differences(units, verified(box, units), judged(units, box.version))
