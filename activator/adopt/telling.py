"""The report: what was kept, what changed, what is gone, and what is left to decide."""

from collections.abc import Iterator, Sequence
from typing import Any

from activator.adopt.model import Adopted, Kind
from activator.common.printable import printable

_WORDS = {
    Kind.CHANGED: "changed",
    Kind.GONE: "gone",
    Kind.DECIDE: "to decide",
    Kind.REFUSED: "refused",
}
_WIDTH = 9


def lines(found: Sequence[Adopted]) -> Iterator[str]:
    """Yield the report as lines for people."""
    for one in found:
        what = f"{one.draft.name}.toml, {one.draft.kept} lines kept" if one.draft else "no spec"
        yield printable(f"{one.source}: {what}")
        for kind, word in _WORDS.items():
            for note in one.notes:
                if note.kind is kind:
                    place = f"{note.place}: " if note.place else ""
                    yield printable(f"  {word:<{_WIDTH}} {place}{note.text}")


def plain(found: Sequence[Adopted]) -> list[dict[str, Any]]:
    """Return the report as plain values, with the specs."""
    return [
        {
            "source": one.source,
            "name": one.draft.name if one.draft else None,
            "kept": one.draft.kept if one.draft else 0,
            "spec": one.text or None,
            "notes": [
                {"kind": note.kind.value, "place": note.place, "text": note.text}
                for note in one.notes
            ],
        }
        for one in found
    ]


def is_refused(one: Adopted) -> bool:
    """Tell whether something of a source could not be taken over."""
    return any(note.kind is Kind.REFUSED for note in one.notes)
