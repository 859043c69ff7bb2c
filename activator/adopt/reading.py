"""A source's text, whatever is in the file."""

from activator.common.regular_file import contents
from activator.errors import ActivatorError


def read(path: str) -> str:
    """Return what a file holds.

    Raises:
        ActivatorError: It cannot be read, or is no text in UTF-8.
    """
    try:
        data, _ = contents(path)
    except OSError as error:
        what = f"the file cannot be read: {(error.strerror or str(error)).lower()}"
        raise ActivatorError(what, "name a file that can be", place=path) from None
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        place = f"{path}:{line_of(data, error.start)}"
        raise ActivatorError("not UTF-8", "save the file as UTF-8", place=place) from None
    if (position := data.find(b"\0")) >= 0:
        place = f"{path}:{line_of(data, position)}"
        raise ActivatorError("the file holds a NUL character", "remove it", place=place)
    return text


def line_of(data: bytes, position: int) -> int:
    """Return the number of the line that has a byte, from 1."""
    return data.count(b"\n", 0, position) + 1
