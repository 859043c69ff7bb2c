"""docs/learn.md, and what it says of programs."""

import re
import tomllib
from pathlib import Path

from tests.support.tree import ROOT

PROGRAMS = tomllib.loads(Path(__file__).with_name("programs.toml").read_text())


def test_programs() -> None:
    """The page has the programs that are tried, what they need, and how exposed they are."""
    table = (ROOT / "docs/learn.md").read_text().partition("| Program | Needs | Exposure |")[2]
    rows = re.findall(
        r"^\| [^|]+ \| ([^|]+) \| ([^|]+) \|$", table.partition("\n\n")[0], re.MULTILINE
    )
    told = [(re.findall("`([^`]+)`", needs), exposure) for needs, exposure in rows[1:]]
    assert told == [
        (program["needs"], " → ".join([*program["exposure"], "-"][:2]))
        for program in PROGRAMS.values()
    ]
