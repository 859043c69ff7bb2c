"""Specifiers: known by version, escaped, expanded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activator.errors import ActivatorError
from activator.unitfile import specifiers


@pytest.mark.parametrize(
    ("text", "version", "expected"),
    [
        ("", 252, ""),
        ("100", 252, ""),
        ("%i-%I %t/x", 252, ""),
        ("%%Q", 252, ""),
        ("%%%Q", 252, "%Q"),
        ("50%", 252, ""),
        ("50% off", 252, ""),
        ("%-x", 252, ""),
        ("%Q", 252, "%Q"),
        ("%5", 252, "%5"),
        ("%D", 252, "%D"),
        ("%D", 254, "%D"),
        ("%D", 257, ""),
        ("%ä", 252, ""),
    ],
)
def test_fault(text: str, version: int, expected: str) -> None:
    """Only a letter or digit after % is a specifier, and a version knows some of them."""
    assert expected == specifiers.fault(text, version)


def test_fewer_are_known_in_names() -> None:
    """A unit's name takes no paths."""
    assert specifiers.fault("%t", 262) == ""
    assert specifiers.fault("%t", 262, in_names=True) == "%t"
    assert specifiers.fault("%i", 262, in_names=True) == ""
    assert "it is not expanded in unit names" == specifiers.advice("%t", 262)


@pytest.mark.parametrize(
    ("text", "hint"),
    [("%Q", "write %%Q"), ("%D", "systemd 255 brought it")],
)
def test_validate(text: str, hint: str) -> None:
    """An unknown specifier is an error with a hint that fits."""
    with pytest.raises(ActivatorError, match="unknown specifier %") as caught:
        specifiers.validate(text, 252)
    assert hint in caught.value.hint


@given(st.text())
def test_escaped_text_stands_for_itself(text: str) -> None:
    """Escaping and expanding gives the text again, whatever it holds."""
    escaped = specifiers.escape(text)
    specifiers.validate(escaped, 252)
    assert text == specifiers.expand(escaped, {})


def test_expand() -> None:
    """Specifiers are replaced in one go, and what comes in is not expanded again."""
    table = {"i": "%j", "j": "no"}
    assert specifiers.expand("%i %% %j 5% %-", table) == "%j % no 5% %-"
    with pytest.raises(ActivatorError, match="%k"):
        specifiers.expand("%k", table)


def test_samples_are_known() -> None:
    """Every specifier has a meaning and a sample, and samples hold no specifier."""
    for letter, specifier in specifiers.SPECIFIERS.items():
        assert len(letter) == 1
        assert specifier.meaning
        assert "%" not in specifier.sample
    assert specifiers.sample("%t/%%/%Q") == "/run/%/%Q"
