"""Needs that are put into a spec."""

import pytest

from activator.generate import specfile
from activator.learn.writing import with_needs

TABLES = 'exec = "/usr/bin/guest"\n[sockets.guest]  # one\nListenStream = "/run/guest.sock"\n'
# What stands in a spec → what stands there with two more.
LISTS = {
    "needs = []  # none\n": 'needs = ["jit", "write:/srv"]  # none\n',
    'needs = ["state"]\n': 'needs = ["state", "jit", "write:/srv"]\n',
    'needs = [\n    "state",  # a book\n    # nothing else\n]\n': (
        'needs = [\n    "state",  # a book\n    # nothing else\n    "jit",\n    "write:/srv",\n]\n'
    ),
}


@pytest.mark.parametrize("before", LISTS, ids=range(len(LISTS)))
def test_all_else_stays(before: str) -> None:
    """Comments, order and white space are as they were, and the spec names the needs."""
    text = f'name = "guest"  # who\n{before}\n{TABLES}'
    found = with_needs(text, ["jit", "write:/srv"])
    assert {"jit", "write:/srv"} <= set(specfile.loads(found).needs)
    text = f'name = "guest"  # who\n{LISTS[before]}\n{TABLES}'
    assert lines(text) == lines(found)


def test_no_list_yet() -> None:
    """One is made, before the first table."""
    text = f'name = "guest"\n{TABLES}'
    found = with_needs(text, ["jit"])
    assert ("jit",) == tuple(specfile.loads(found).needs)
    assert lines(text) == [line for line in lines(found) if not line.startswith("needs")]


def lines(text: str) -> list[str]:
    """Return the lines; tomlkit's versions differ in empty ones, and in the last comma."""
    return [line.removesuffix(",") for line in text.split("\n") if line]
