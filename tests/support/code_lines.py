"""Count lines of code by room: without docstrings, comments and blank lines.

``python -m tests.support.code_lines [DIRECTORY]`` prints a line for each room, and names the files
that are longer than any should be. A line counts where a token of the language stands in it.
"""

import ast
import sys
import tokenize
from collections import Counter
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

LONGEST = 400  # lines of a file, all of them counted
_NOTHING = {
    tokenize.COMMENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
    tokenize.INDENT,
    tokenize.NEWLINE,
    tokenize.NL,
}
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def code_lines(source: bytes) -> int:
    """Return how many lines of a file's source are code."""
    lines: set[int] = set()
    for token in tokenize.tokenize(BytesIO(source).readline):
        if token.type not in _NOTHING:
            lines |= set(range(token.start[0], token.end[0] + 1))
    return len(lines - set(_docstrings(ast.parse(source))))


def _docstrings(tree: ast.Module) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, _DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            first = node.body[0]
            yield from range(first.lineno, (first.end_lineno or first.lineno) + 1)


def rooms(package: Path) -> Counter[str]:
    """Return the lines of code of each room of a package; ``.`` is what stands at its top."""
    found: Counter[str] = Counter()
    for path in sorted(package.rglob("*.py")):
        inner = path.relative_to(package).parts
        found[inner[0] if len(inner) > 1 else "."] += code_lines(path.read_bytes())
    return found


def too_long(package: Path) -> list[str]:
    """Return the files that are longer than :data:`LONGEST`."""
    lengths = {path: path.read_bytes().count(b"\n") for path in sorted(package.rglob("*.py"))}
    return [f"{path}: {lines} lines" for path, lines in lengths.items() if lines > LONGEST]


def main(arguments: list[str]) -> int:
    """Print the lines of each room, and their sum."""
    package = Path(arguments[0] if arguments else "activator")
    found = rooms(package)
    for name, lines in sorted(found.items()):
        print(f"{lines:7} {name}")  # noqa: T201 - what it is for
    print(f"{found.total():7} in all", *too_long(package), sep="\n")  # noqa: T201 - the same
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
