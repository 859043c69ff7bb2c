"""Find the word that was probably meant."""

from collections.abc import Iterable


def nearest(word: str, known: Iterable[str], least: float = 0.6) -> str:
    """Return the known word most like a mistyped one, or nothing.

    Case counts little, and ``_`` is taken for ``-``.

    Args:
        word: What was written.
        known: What could have been meant.
        least: How like it a word must be, from 0 to 1.
    """
    from difflib import get_close_matches  # noqa: PLC0415 - only a mistake needs it

    plain = {name.lower().replace("_", "-"): name for name in known}
    close = get_close_matches(word.lower().replace("_", "-"), plain, n=1, cutoff=least)
    return plain[close[0]] if close else ""
