"""Versions of podman: which there are, which a Debian release has, how they are written."""

import re

from activator.errors import ActivatorError

Version = tuple[int, int]

# The first with Quadlet, and the last whose tables are known here.
OLDEST: Version = (4, 4)
NEWEST: Version = (6, 0)
# What files are for that say nothing of it: Debian 13, RHEL 9 and 10 have this, or a later one.
USUAL: Version = (5, 4)
# Debian release → its podman.
SUITES: dict[str, Version] = {"bookworm": (4, 3), "trixie": (5, 4)}
# The first systemd of a release that has a podman with Quadlet → that podman.
_BESIDE: tuple[tuple[int, Version], ...] = ((0, OLDEST), (257, (5, 4)))
_FORM = r"([0-9]{1,3})\.([0-9]{1,3})(?:[.~+-].*)?"


def parsed(text: str) -> Version:
    """Return a version by its first two numbers, as they stand in tables."""
    major, _, minor = text.partition(".")
    return int(major), int(minor)


def written(version: Version) -> str:
    """Return a version as text."""
    return f"{version[0]}.{version[1]}"


def read(text: str) -> Version:
    """Return the version that a user names: two numbers or more, or a Debian release.

    Raises:
        ActivatorError: It is none, or one without Quadlet.
    """
    found = SUITES.get(text)
    if found is None and (match := re.fullmatch(_FORM, text, re.ASCII)):
        found = int(match[1]), int(match[2])
    if found is None:
        known = ", ".join(f'"{name}"' for name in SUITES)
        what = f"podman = {text!r} is no version"
        raise ActivatorError(what, f'write it as "5.4", {known} or "installed"')
    if found < OLDEST:
        hint = f"{written(OLDEST)} is the first that makes services of .container files"
        raise ActivatorError(f"podman {written(found)} has no Quadlet", hint)
    return found


def beside(systemd: int) -> Version:
    """Return the podman that Debian has with a systemd; the oldest if it has none."""
    return [podman for first, podman in _BESIDE if first <= systemd][-1]
