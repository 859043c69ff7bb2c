"""Addresses as only_from and no_access have them, as IPAddressAllow= takes them."""

import ipaddress
import re
from collections.abc import Iterable, Iterator

from activator.common.integers import decimal

_FACTORS = r"((?:\d+\.){0,3})\{([\d,]+)\}"
_BYTE_MAX = 255
_PARTS = 4
_BITS = 8

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def networks(words: Iterable[str]) -> tuple[list[Network], list[str]]:
    """Return the networks of some words, and the words that name none, such as host names."""
    found: list[Network] = []
    others: list[str] = []
    for word in words:
        try:
            found += _networks(word)
        except ValueError:
            others.append(word)
    return found, others


def _networks(word: str) -> Iterator[Network]:
    """Yield the networks of a word.

    Raises:
        ValueError: It is none.
    """
    if match := re.fullmatch(_FACTORS, word, re.ASCII):
        for part in match[2].split(","):
            yield _trailing(f"{match[1]}{part}")
    elif "/" in word or ":" in word:
        yield ipaddress.ip_network(word, strict=False)
    else:
        yield _trailing(word)


def _trailing(word: str) -> Network:
    """Return a network whose last zeros are wildcards, as those that are left out.

    Raises:
        ValueError: It is none.
    """
    parts = [decimal(part) for part in word.split(".")]
    if len(parts) > _PARTS or any(part is None or part > _BYTE_MAX for part in parts):
        raise ValueError(word)
    parts += [0] * (_PARTS - len(parts))
    length = _PARTS
    while length and not parts[length - 1]:
        length -= 1
    return ipaddress.ip_network((".".join(map(str, parts)), length * _BITS))


def exceptions(allowed: Iterable[Network], denied: Iterable[Network]) -> list[Network]:
    """Return the networks that are denied within a larger one that is allowed.

    xinetd takes the better match of both, systemd what is allowed first.
    """
    return [
        one
        for one in denied
        if any(one.version == each.version and one.subnet_of(each) for each in allowed)  # type: ignore[arg-type]
    ]


def without(allowed: Iterable[Network], denied: Iterable[Network]) -> list[Network]:
    """Return what is allowed but for what is denied within it, as networks that say so alone."""
    left = list(allowed)
    for hole in denied:
        kept: list[Network] = []
        for one in left:
            if one.version != hole.version or not one.overlaps(hole):
                kept.append(one)
            elif hole.subnet_of(one) and hole != one:  # type: ignore[arg-type]
                kept += one.address_exclude(hole)  # type: ignore[arg-type]
            elif one.subnet_of(hole) and hole != one:  # type: ignore[arg-type]
                kept.append(one)  # the better match is what is allowed
        left = kept
    return sorted(left, key=lambda each: (each.version, int(each.network_address), each.prefixlen))
