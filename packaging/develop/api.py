"""The page of the public names in docs/, made from their docstrings."""

import inspect
import re
import textwrap
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import activator

# Sections of a docstring → what stands before each of their items.
SECTIONS = ("Args", "Attributes", "Raises", "Returns", "Yields", "See Also")
_ROLE = re.compile(r":[a-z]+:`~?(?:[\w.]+\.)?(\w+)`")


def page() -> Iterator[str]:
    """Yield the lines of the page."""
    for name in sorted(activator.__all__):
        if name == "__version__":
            continue
        value = getattr(activator, name)
        if isinstance(value, ModuleType):
            yield from _entry(2, f"activator.{name}", value)
            for part in value.__all__:
                yield from _entry(3, f"activator.{name}.{part}", getattr(value, part))
        elif callable(value) or isinstance(value, type):
            yield from _entry(2, f"activator.{name}", value)
            yield from _members(name, value)
        else:
            yield from _entry(2, f"activator.{name}", type(value))
            yield from _members(name, type(value))


def _members(name: str, value: Any) -> Iterator[str]:
    """Yield the public methods and properties that a class defines itself."""
    for part, member in vars(value).items() if isinstance(value, type) else ():
        is_public = not part.startswith("_") and (callable(member) or isinstance(member, property))
        if is_public and inspect.getdoc(member):
            yield from _entry(3, f"{name}.{part}", member)


def _entry(level: int, name: str, value: Any) -> Iterator[str]:
    """Yield a heading and the docstring in Markdown."""
    yield f"{'#' * level} {name}"
    yield ""
    if (inspect.isfunction(value) or isinstance(value, type)) and (text := _signature(name, value)):
        yield from ("```text", text, "```", "")
    yield from _markdown(inspect.getdoc(value) or "")
    yield ""


def _signature(name: str, value: Any) -> str:
    if isinstance(value, type) and not issubclass(value, Exception):
        return ""  # users are given these, and make none
    signature = inspect.signature(value)
    parameters = [each for each in signature.parameters.values() if each.name != "self"]
    whole = name + _bare(str(signature.replace(parameters=parameters)))
    if len(whole) <= 90:  # noqa: PLR2004 - the width of the pages
        return whole
    lines = [f"    {_bare(str(each))}," for each in parameters]
    star = next((i for i, each in enumerate(parameters) if each.kind is each.KEYWORD_ONLY), None)
    if star is not None:
        lines.insert(star, "    *,")
    returned = signature.return_annotation
    arrow = "" if returned is inspect.Signature.empty else f" -> {returned}"
    return "\n".join([f"{name}(", *lines, f"){arrow}"])


def _bare(text: str) -> str:
    """Return a signature without the quotes of annotations."""
    return re.sub(r"""(: |-> )(['"])(.*?)\2""", r"\1\3", text)


def _markdown(text: str) -> Iterator[str]:
    """Yield a docstring's lines: its sections as lists, its literal blocks as code."""
    text = _ROLE.sub(r"`\1`", text).replace("``", "`")
    section = ""
    code: list[str] | None = None
    for line in text.splitlines():
        if code is not None:
            if not line or line.startswith("    "):
                code.append(line)
                continue
            yield from _block(code)
            code = None
        name = line.removesuffix(":")
        if line.endswith("::"):
            yield line[:-1]
            code = []
        elif name in SECTIONS and line.endswith(":"):
            section = name
            yield from (f"{name}:", "")
        elif (
            section and re.match(r"    [^ ].*?: ", line) and section not in ("Returns", "See Also")
        ):
            item, _, rest = line.strip().partition(": ")
            yield f"- `{item}`: {rest}"
        elif section:
            yield f"  {line.strip()}" if line.startswith("        ") else line.strip()
        else:
            yield line
    if code is not None:
        yield from _block(code)


def _block(lines: list[str]) -> Iterator[str]:
    yield from ("", "```text")
    yield textwrap.dedent("\n".join(lines)).strip("\n")
    yield from ("```", "")
