"""Conditions and assertions: the local activator finds what booted systemd finds."""

import json

import pytest

from activator.local.conditions.kinds import KINDS as ANSWERED
from activator.local.units.conditions_unit import KINDS
from activator.unitfile import directives
from tests.boxes.box import Box
from tests.support.conditions import ALL, FORGOTTEN, PREPARED

pytestmark = pytest.mark.each_systemd

# Prints for each unit whether its conditions, and its assertions, hold.
JUDGE = """
import json, sys
from activator.local.conditions.judge import broken
from activator.local.units.load import load
texts = json.load(sys.stdin)
sockets = {n[:-7] + "socket": ("[Socket]\\nListenStream=@z\\n", n) for n in texts}
plan = load([], sockets | {name: (text, name) for name, text in texts.items()})
found = {}
for name, unit in plan.services.items():
    both = unit.conditions.conditions, unit.conditions.asserts
    found[name] = ["no" if broken(each) else "yes" for each in both]
print(json.dumps(found))
"""
SINCE = {"PathIsSocket": 260}


def unit(prefix: str, lines: tuple[str, ...]) -> str:
    """Return a service that starts with lines of conditions only."""
    conditions = "\n".join(f"{prefix}{line}" for line in lines)
    return (
        f"[Unit]\n{conditions}\n[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n"
    )


def test_same_answers(box: Box) -> None:
    """Each line is answered as by systemd, as a condition and as an assertion."""
    asked = [
        lines
        for lines in ALL
        if all(SINCE.get(line.partition("=")[0], 0) <= box.version for line in lines)
    ]
    texts = {
        f"asked-{prefix.lower()}-{number}.service": unit(prefix, lines)
        for prefix in ("Condition", "Assert")
        for number, lines in enumerate(asked)
    }
    # As a service: with systemd's own environment and capabilities.
    manager = ("systemd-run", "--quiet", "--pipe", "--wait")
    box.run("sh", "-c", PREPARED)
    try:
        with box.units(texts):
            box.systemctl("start", *texts, check=False)
            shown = box.systemctl(
                "show", "--property=Id,ConditionResult,AssertResult", "--", *texts
            ).stdout
        done = box.run(*manager, box.python, "-c", JUDGE, input=json.dumps(texts))
    finally:
        box.run("sh", "-c", FORGOTTEN)
    theirs = {}
    for block in shown.strip().split("\n\n"):
        fields = dict(line.split("=", 1) for line in block.splitlines())
        theirs[fields["Id"]] = [fields["ConditionResult"], fields["AssertResult"]]
    ours = json.loads(done.stdout)
    differ = {}
    for name in texts:
        which = int("assert" in name)
        if theirs[name][which] != ours[name][which]:
            differ[texts[name].splitlines()[1]] = theirs[name][which]

    assert "\n".join(f"{line}: {answer}" for line, answer in differ.items()) == ""
    assert {"yes", "no"} <= {answer for answers in theirs.values() for answer in answers}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_asked(kind: str) -> None:
    """Each kind that is honoured is one of systemd's, and in the comparison."""
    assert any(line.startswith(f"{kind}=") for lines in ALL for line in lines)
    for prefix in ("Condition", "Assert"):
        assert directives.lookup("Unit", f"{prefix}{kind}") is not None


def test_each_kind_has_an_answer() -> None:
    """What is read can be answered, and the other way round."""
    assert list(KINDS) == list(ANSWERED)
