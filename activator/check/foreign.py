"""Files with a unit's name that are no units: other formats, other encodings."""

import codecs
import re
from typing import NamedTuple

from activator.check.catalogue import lookup
from activator.unitfile.sections import OWN_SECTION

# The marks that begin a file in another encoding.
_MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
_HEAD = 4096
_SECTIONS = {"Unit", "Install", *OWN_SECTION.values()}
# Of Jinja, ERB or Go: lines of their own, or in place of a value. A program may get {{.Name}}.
_TEMPLATE = r"(?m)^[ \t]*(?:\{%|<%|\{\{)|^[ \t]*[A-Za-z]+=[ \t]*(?:\{\{|<%)"
_HEADER = r"(?m)^[ \t]*\[([^\]\n]*)\][ \t\r]*$"
_ASSIGNMENT = r"(?m)^[ \t]*([A-Za-z][A-Za-z0-9-]*)[ \t]*="
# Where systemd looks, so that what is no unit does not belong there.
_SYSTEMD = r"(^|/)systemd/(system|user)(\.[a-z]+)?/"


class Foreign(NamedTuple):
    """What a file is that is no unit.

    Attributes:
        what: Its format, as in "the file is ...".
        hint: What to do about it; may be empty.
        harmless: Whether others read such files, and it is no mistake to have one.
    """

    what: str
    hint: str
    harmless: bool = False


def foreign(data: bytes, text: str, path: str) -> Foreign | None:
    """Return what a file is if it is no unit, None for a unit, right or wrong.

    Args:
        data: Its bytes.
        text: The same as text, as far as it is one.
        path: The file.
    """
    return _encoded(data) or _of_others(text, path)


def _encoded(data: bytes) -> Foreign | None:
    """Return the encoding of a file that is no text to systemd."""
    for mark, name in _MARKS:
        if data.startswith(mark):
            return Foreign(f"text in {name}", "save it as UTF-8")
    head = data[:_HEAD]
    # ASCII in UTF-16 has a NUL as every other byte.
    if len(head) > 1 and head.count(0) * 3 > len(head):
        return Foreign("text in UTF-16 or no text at all", "save it as UTF-8")
    if head.startswith((b"\x7fELF", b"\x1f\x8b", b"PK\x03\x04", b"\x28\xb5\x2f\xfd")):
        return Foreign("a program or an archive, and no text", "write a unit")
    return None


def _of_others(text: str, path: str) -> Foreign | None:
    """Return the format of a text that others than systemd read."""
    bare = text.lstrip("\ufeff \t\r\n")
    headers = re.findall(_HEADER, text)
    at_home = not re.search(_SYSTEMD, path)
    found = None
    if re.match(r"(?i)<!doctype html|<html", bare):
        found = Foreign("a page in HTML", "fetch the file itself")
    elif re.search(_TEMPLATE, text):
        found = Foreign("a template of other software", "check what it makes", at_home)
    elif re.match(r"<[?!A-Za-z]", bare):
        found = Foreign("XML, as Avahi's and firewalld's services are", "", at_home)
    elif _SECTIONS.isdisjoint(headers):
        if headers[:1] == ["D-BUS Service"]:
            hint = "write SystemdService= into it, and a unit of that name"
            found = Foreign("one of D-Bus, which starts a service by its name", hint, at_home)
        elif headers[:1] == ["Desktop Entry"]:
            found = Foreign("one of desktops", "", at_home)
        elif bare.startswith("#!"):
            found = Foreign("a script", "write a unit with ExecStart= for it")
        elif not headers and _has_content(bare) and not _has_directives(text):
            what = "no unit: it has neither a section nor a directive"
            found = Foreign(what, "", at_home)
    return found


def _has_content(text: str) -> bool:
    return any(line.lstrip()[:1] not in ("", "#", ";") for line in text.splitlines())


def _has_directives(text: str) -> bool:
    names = set(re.findall(_ASSIGNMENT, text))
    return any(lookup(section, name) is not None for section in _SECTIONS for name in names)
