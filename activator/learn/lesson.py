"""What was learned."""

from collections.abc import Sequence
from typing import NamedTuple

from activator.generate.specfile import Spec
from activator.learn.judge import Evidence


class Lesson(NamedTuple):
    """What was learned.

    Attributes:
        needs: The needs that were seen, in the table's order.
        missing: Those that the spec does not name.
        unused: What the spec names and nobody used.
        impossible: What no need can open.
        evidence: What shows each.
        client: The exit status of the client; 0 without one.
        as_root: Whether the service ran as root, though its unit has a user of its own: what it
            is made of is not for everybody to read.
        forbidding: Lines of units that forbid what was done, with the need that each closes.
        idle: Lines of their sandboxes that nothing came up against.
    """

    needs: tuple[str, ...]
    missing: tuple[str, ...]
    unused: tuple[str, ...]
    impossible: tuple[Evidence, ...]
    evidence: tuple[Evidence, ...]
    client: int
    as_root: bool = False
    forbidding: tuple[tuple[str, str], ...] = ()
    idle: tuple[str, ...] = ()

    def without(self, spare: Sequence[str]) -> "Lesson":
        """Return the same but for needs that turned out to be none."""
        return self._replace(
            needs=tuple(need for need in self.needs if need not in spare),
            missing=tuple(need for need in self.missing if need not in spare),
        )


def lesson(spec: Spec, found: Sequence[Evidence], status: int) -> Lesson:
    """Return what a verdict means for a spec.

    Args:
        spec: The spec.
        found: The verdict.
        status: The client's exit status.
    """
    needs = tuple(dict.fromkeys(one.need for one in found if one.need))
    # What is named more widely covers what was seen.
    closed = spec.hardening != "none"
    missing = tuple(need for need in needs if closed and not _words(need) & {*spec.needs})
    seen = {word for need in needs for word in _words(need)}
    unused = tuple(need for need in spec.needs if not _words(need) & seen)
    impossible = tuple(one for one in found if not one.need)
    evidence = tuple(one for one in found if one.need)
    return Lesson(needs, missing, unused, impossible, evidence, status)


def _words(need: str) -> set[str]:
    """Return a need and its name."""
    return {need, need.partition(":")[0]}
