"""Tables of facts: tab-separated values beside the module that reads them.

A line that begins with ``#`` is a comment; the first other line names the columns. Every
command reads several tables when it starts, which is why they are not TOML.
"""

from collections.abc import Iterator


def lines(module: str, name: str) -> list[str]:
    """Return a table's rows, each a line yet to be split.

    Args:
        module: The ``__file__`` of the module that the table belongs to.
        name: The table's file name.
    """
    # Without pathlib, which would be loaded for this alone.
    with open(f"{module.rpartition('/')[0]}/{name}", encoding="utf-8") as file:  # noqa: PTH123
        text = file.read()
    return [line for line in text.split("\n") if line and line[0] != "#"][1:]


def rows(module: str, name: str) -> Iterator[list[str]]:
    """Yield a table's rows, each a text a column.

    Args:
        module: The ``__file__`` of the module that the table belongs to.
        name: The table's file name.
    """
    return (line.split("\t") for line in lines(module, name))
