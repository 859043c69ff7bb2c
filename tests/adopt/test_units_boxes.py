"""Sockets that Debian packages bring, adopted: a booted systemd has the same settings for them."""

import re
from pathlib import Path

import pytest

from activator.adopt.model import Adopted
from activator.adopt.sources import Taker
from activator.generate import render, specfile
from tests.boxes.box import UNITS, Box
from tests.boxes.fixtures import ONE, box_root
from tests.boxes.recipes import OBSERVED
from tests.local.test_observed import packaged

pytestmark = pytest.mark.stress
LEAST = 15
# What tells of the files or of this boot, not of the settings.
ABOUT = re.compile(
    r"FragmentPath|DropInPaths|SourcePath|.*Timestamp(Monotonic)?|UnitFile(State|Preset)|InvocationID"
    r"|NeedDaemonReload|Transient|Id|Names|Load(State|Error)|.*Current|.*Available|Documentation"
)
# What the report says of a pair: the descriptors' name, a description, the service's conditions.
REPORTED = {"FileDescriptorName", "Description", "Conditions", "ConditionResult", "Asserts"}


# The pairs that were adopted, and for each what differs, by unit and property.
Found = tuple[dict[str, Adopted], dict[str, dict[str, dict[str, str]]]]


def settings(box: Box, unit: str) -> dict[str, str]:
    """Return what systemd has for a unit."""
    lines = box.systemctl("show", unit).stdout.splitlines()
    pairs = (line.partition("=") for line in lines)
    return {name: ordered(value) for name, _, value in pairs if not ABOUT.fullmatch(name)}


def ordered(value: str) -> str:
    """Return a value without what tells of a run, its words in order: systemd keeps sets."""
    value = re.sub(r"(start_time|stop_time)=\[[^]]*\]|pid=\d+|code=\S+|status=\S+", "", value)
    return " ".join(sorted(value.split()))


@pytest.fixture(scope="module")
def adopted() -> Found:
    """Return what was adopted, and what systemd has otherwise with it in place."""
    tree = box_root(ONE, OBSERVED)
    names = packaged(tree)
    found = {name: next(Taker(str(tree)).words([name]), None) for name in names}
    made = {name: one for name, one in found.items() if one is not None and one.draft}
    texts = {name: render.render(specfile.loads(one.text)) for name, one in made.items()}
    with Box(ONE, tree) as box:
        shown = {unit: asked(unit) for each in texts.values() for unit in each}
        before = {unit: settings(box, name) for unit, name in shown.items()}
        for each in texts.values():
            box.write_all(UNITS, each)
        box.systemctl("daemon-reload")
        places = {Path(box.show(name, "FragmentPath")).parent for name in shown.values()}
        assert places == {Path(UNITS)}
        after = {unit: settings(box, name) for unit, name in shown.items()}
    differences = {
        name: {unit: changes(before[unit], after[unit]) for unit in each}
        for name, each in texts.items()
    }
    return made, differences


def asked(unit: str) -> str:
    """Return a name that can be asked about: an instance of a template."""
    return unit.replace("@.", "@x.")


def changes(before: dict[str, str], after: dict[str, str]) -> dict[str, str]:
    """Return what differs, by property."""
    names = before.keys() | after.keys()
    return {
        name: f"{before.get(name)} -> {after.get(name)}"
        for name in names
        if before.get(name) != after.get(name) and name not in REPORTED
    }


def test_settings(
    adopted: Found,
) -> None:
    """But for what the report says, each unit has the settings that the package's has."""
    made, differences = adopted
    assert len(made) >= LEAST
    told = {name: one for name, one in differences.items() if any(one.values())}
    assert told == {}


def test_places() -> None:
    """Each line that was taken names the file and line that it stands in."""
    tree = box_root(ONE, OBSERVED)
    for name in packaged(tree):
        for one in Taker(str(tree)).words([name]):
            for path, number in re.findall(r"# (/\S+):(\d+)$", one.text, re.MULTILINE):
                assert "=" in Path(path).read_text().splitlines()[int(number) - 1]
