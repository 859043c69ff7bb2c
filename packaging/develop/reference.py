"""The tables of the reference in docs/, made from the same facts as everything else.

A page is written by hand, but for what stands between two comments::

    <!-- table: socket -->
    <!-- end -->

``make docs`` fills these in anew; a test tells when they are out of date.
"""

import re
import runpy
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace

from activator.check import registry
from activator.errors import ActivatorError
from activator.generate.explain import Entry, concern, entries
from activator.generate.keys import TYPES
from activator.generate.specfile.intents import intents
from activator.generate.specfile.reader import RESERVED
from activator.unitfile import directives, forms
from activator.unitfile.directives import OLDEST, Directive

# A file beside this one, which is none of a package's.
api = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("api.py"))))
_REGION = re.compile(
    r"(?P<start><!-- (?P<kind>table|file): (?P<name>\S+) -->\n).*?(?P<end><!-- end -->\n)",
    re.DOTALL,
)


def fill(text: str, root: Path) -> str:
    """Return a page with its tables and files as they are today.

    Args:
        text: The page.
        root: Where the files are that it shows.

    Raises:
        ActivatorError: There is no table of a name, or no such file.
    """

    def made(match: re.Match[str]) -> str:
        name = match["name"]
        if match["kind"] == "file":
            return f"{match['start']}{_file(root / name)}{match['end']}"
        if name not in TABLES:
            raise ActivatorError(f"there is no table {name!r}", f"name {', '.join(TABLES)}")
        return "\n".join([match["start"].rstrip("\n"), *TABLES[name](), match["end"]])

    return _REGION.sub(made, text)


def main(pages: Iterable[str]) -> None:
    """Fill the tables of some pages in, in place; they stand in a folder of the project."""
    for page in map(Path, pages):
        before = page.read_text(encoding="utf-8")
        after = fill(before, page.resolve().parent.parent)
        if before != after:
            page.write_text(after, encoding="utf-8")


# --- tables ------------------------------------------------------------------------------


def keys() -> Iterator[str]:
    """Yield the table of the spec's own keys."""
    yield from _head("Key", "Values", "Default", "Meaning")
    for key, row in intents().items():
        values = ", ".join(f"`{value}`" for value in row.values)
        default = row.default
        shown = "**required**" if row.required else ""
        if default is not None:
            shown = f"`{str(default).lower() if isinstance(default, bool) else default}`"
        modes = " or ".join(f"`{mode}`" for mode in row.modes)
        modes += ", or with `handler`, `asgi` or `wsgi`" if row.handler else ""
        # What the runtime serves goes without, unless it is given.
        shown += f" with mode {modes.partition(',')[0]}" if row.handler == "yes" else ""
        meaning = _escaped(row.summary) + (f" Only with mode {modes}." if modes else "")
        yield _row(f"`{key}`", values or TYPES[row.type], shown, meaning)


def suites() -> Iterator[str]:
    """Yield the table of names for versions of systemd."""
    yield from _head("Name", "systemd")
    for name, version in directives.SUITES.items():
        yield _row(f"`{name}`", str(version))


def reserved() -> Iterator[str]:
    """Yield the table of directives that are not set in a spec."""
    yield from _head("Directive", "Section", "Why")
    for (section, name), why in RESERVED.items():
        yield _row(f"`{name}=`", f"[{section}]", _escaped(why))


def listens() -> Iterator[str]:
    """Yield the table of directives that say where to listen."""
    yield from _head("Directive", "Meaning", "Values")
    for entry in _chosen("Socket", "systemd.socket(5)"):
        if entry.directive.name.startswith("Listen"):
            yield _row(_name(entry), _meaning(entry), _values(entry))


def socket() -> Iterator[str]:
    """Yield the table of the other directives of [Socket]."""
    yield from _head("Directive", "Meaning", "Concerns", "Values", "Default", "Since")
    for entry in _chosen("Socket", "systemd.socket(5)"):
        if not entry.directive.name.startswith("Listen"):
            kinds = concern(entry.directive)
            yield _row(_name(entry), _meaning(entry), kinds, _values(entry), *_facts(entry))


def _section(section: str, page: str) -> Callable[[], Iterator[str]]:
    """Return what yields the table of what a manual page describes for a section."""

    def table() -> Iterator[str]:
        yield from _head("Directive", "Meaning", "Values", "Default", "Since")
        for entry in _chosen(section, page):
            yield _row(_name(entry), _meaning(entry), _values(entry), *_facts(entry))

    return table


def old() -> Iterator[str]:
    """Yield the table of directives that are past their time."""
    yield from _head("Directive", "Sections", "Instead", "Ignored since")
    for entry in entries():
        directive = entry.directive
        if _is_old(directive):
            sections = ", ".join(f"[{section}]" for section in entry.sections)
            until = directive.until or ""
            ignored = f"{OLDEST} or earlier" if 0 < directive.until <= OLDEST else str(until)
            yield _row(_name(entry), sections, _escaped(directive.use) or "nothing", ignored)


def rules() -> Iterator[str]:
    """Yield the table of the rules that units are checked by."""
    yield from _head("Rule", "Name", "Severity", "Finds")
    for rule in registry.rules():
        anchor = f"{rule.id}-{rule.name}".lower()
        yield _row(f"[{rule.id}](#{anchor})", f"`{rule.name}`", rule.severity, rule.summary)


def rule_pages() -> Iterator[str]:
    """Yield the page of each rule."""
    for rule in registry.rules():
        yield f"### {rule.id} {rule.name}"
        yield ""
        yield f"Severity: {rule.severity}." + (f" Met in {rule.met}." if rule.met else "")
        yield ""
        for line in (
            re.split(r"^(?:Bad|Good)::\n", rule.page, flags=re.MULTILINE)[0].strip().split("\n")
        ):
            yield _escaped(line)
        for example in registry.examples(rule):
            yield from ("", "Bad:" if example.bad else "Good:", "", "```ini")
            parts = [f"# {name}\n{text}" for name, text in example.files.items()]
            yield "\n".join(parts).rstrip("\n")
            yield "```"
        yield ""


TABLES: dict[str, Callable[[], Iterator[str]]] = {
    "keys": keys,
    "suites": suites,
    "reserved": reserved,
    "listens": listens,
    "socket": socket,
    "service": _section("Service", "systemd.service(5)"),
    "unit": _section("Unit", "systemd.unit(5)"),
    "install": _section("Install", "systemd.unit(5)"),
    "exec": _section("Service", "systemd.exec(5)"),
    "kill": _section("Service", "systemd.kill(5)"),
    "resources": _section("Service", "systemd.resource-control(5)"),
    "old": old,
    "rules": rules,
    "rule-pages": rule_pages,
    "api": api.page,
}


# --- cells -------------------------------------------------------------------------------


def _chosen(section: str, page: str) -> Iterator[Entry]:
    """Yield the directives of a section that a manual page describes and a spec may set.

    Old ones have a table of their own.
    """
    for entry in entries((section,)):
        directive = entry.directive
        reserved = (section, directive.name) in RESERVED
        if directive.man == page and not reserved and not _is_old(directive):
            yield entry


def _is_old(directive: Directive) -> bool:
    """Return whether there is something newer to use, or nothing needs it any more."""
    return directive.status in ("legacy", "deprecated")


def _name(entry: Entry) -> str:
    return f"`{entry.directive.name}=`"


def _meaning(entry: Entry) -> str:
    return _escaped(entry.directive.summary)


def _values(entry: Entry) -> str:
    """Return the values in a few words, without what a colon explains."""
    return _escaped(forms.form(entry.directive).text.partition(": ")[0])


def _facts(entry: Entry) -> tuple[str, str]:
    """Return the default, and the release that brought a directive if it is a late one."""
    directive = entry.directive
    since = str(directive.first) if directive.first > OLDEST else ""
    return _escaped(directive.default), since


def _escaped(text: str) -> str:
    """Return a text so that Markdown shows it as it stands in a cell."""
    return re.sub(r"([*<|~])", r"\\\1", text)


def _head(*names: str) -> list[str]:
    """Return the first lines of a table."""
    return [_row(*names), _row(*("---" for _ in names))]


def _row(*cells: str) -> str:
    """Return a line of a table."""
    return f"| {' | '.join(cells)} |"


def _file(path: Path) -> str:
    """Return a file's text as a block.

    Raises:
        ActivatorError: It cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ActivatorError(
            f"cannot be read: {reason}", "mend the page", place=str(path)
        ) from None
    return f"```{path.suffix.removeprefix('.')}\n{text}```\n"


if __name__ == "__main__":
    main(sys.argv[1:])
