"""The picture that ``activator graph --format svg`` makes, in either theme.

It follows its reader's own setting by itself; the site has a switch for it, so it needs both.
"""

import re
import subprocess
import sys
from xml.etree import ElementTree as ET

from tests.pictures.scenes import FILES, PICTURES

NAME, SPEC = "graph", "shop.toml"
_DARK = re.compile(r"@media \(prefers-color-scheme: dark\) \{(.*)\}(?=</style>)", re.DOTALL)


def drawn() -> str:
    """Return the picture of today."""
    argv = [sys.executable, "-m", "activator", "graph", SPEC, "--format", "svg"]
    return subprocess.run(argv, cwd=FILES, check=True, capture_output=True, text=True).stdout


def themed(picture: str, theme: str) -> str:
    """Return it in one theme, whatever its reader has set."""
    return _DARK.sub(r"\1" if theme == "dark" else "", picture)


def words(picture: str) -> list[str]:
    """Return what stands in it; where, is up to Graphviz's version."""
    root = ET.fromstring(picture)  # noqa: S314 - our own
    kinds = ("text", "title", "desc")
    texts = [one.text or "" for kind in kinds for one in root.findall(f".//{{*}}{kind}")]
    return sorted(texts)


def write(themes: list[str]) -> None:
    """Write it anew in each theme."""
    picture = drawn()
    for theme in themes:
        (PICTURES / f"{NAME}-{theme}.svg").write_text(themed(picture, theme), encoding="utf-8")
