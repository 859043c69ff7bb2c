"""What is at a path, for someone who may not look everywhere."""

import os


def status(path: "str | os.PathLike[str]") -> os.stat_result | None:
    """Return what is at a path, links followed; None where nothing is, or it cannot be seen."""
    try:
        return os.stat(path)  # noqa: PTH116 - of any text
    except (OSError, ValueError):
        return None


def is_gone(path: "str | os.PathLike[str]") -> bool:
    """Tell whether there is surely nothing at a path: not if it cannot be seen."""
    try:
        os.stat(path)  # noqa: PTH116 - as above
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):
        pass
    return False
