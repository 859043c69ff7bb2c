"""The blocks of pages, each with the comment above it that says what a test does with it."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from tests.support.tree import ROOT

README = (ROOT / "README.md").read_text()
_BLOCK = re.compile(
    r"^(?:<!-- (?P<mark>[^\n]*) -->\n)?```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)


class Block(NamedTuple):
    """A block of a page; the mark is empty where no comment stands above it."""

    mark: str
    language: str
    text: str

    @property
    def commands(self) -> list[str]:
        """Return its commands, without their comments."""
        lines = self.text.replace("\\\n", " ").splitlines()
        return [line.partition("  #")[0].strip() for line in lines if line.strip()]


def blocks(page: str, mark: str | None = None, language: str | None = None) -> Iterator[Block]:
    """Yield the blocks of a page's text, those of a mark and a language if they are given."""
    for match in _BLOCK.finditer(page):
        block = Block(match["mark"] or "", match["language"], match["text"])
        if mark in (None, block.mark) and language in (None, block.language):
            yield block
