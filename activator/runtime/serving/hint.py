"""Which need a spec may lack, where the sandbox of a hardened unit has stopped its program.

Loaded once something has failed. From within the sandbox it cannot be told whether a path exists
outside; `activator doctor` can.
"""

import os

from activator.common.symptoms import symptoms, terms

# Of an exception's text, and of those that led to it: enough for a path, and no work for a client's
# megabytes.
LONGEST = 400
MOST = 8
# What generated units always have, by proc(5): NoNewPrivileges=, and SystemCallFilter= (mode 2).
CONFINED = ("NoNewPrivs:\t1\n", "Seccomp:\t2\n")
# Only the files' modes tell these, and doctor looks at them.
BY_MODE = ("group", "owner")


def hint(error: BaseException) -> str:
    """Return which need may be missing; empty where nothing points at the sandbox.

    Args:
        error: What was raised. Those that led to it count, too.
    """
    if not _is_confined():
        return ""
    said = [f"{type(each).__name__}: {each}"[:LONGEST] for each in _chain(error)]
    for symptom in symptoms():
        if not symptom.words or not symptom.need or symptom.given in BY_MODE:
            continue
        for _, path in symptom.shown(said):
            # A client may have a say in the path, and none on a terminal.
            need = ascii(symptom.need.format_map(terms("", path, "\n".join(said))))[1:-1]
            what = f"the unit's sandbox may be why ({symptom.symptom})"
            if (own := f"{need.upper()}_DIRECTORY") in os.environ:
                return f"{what}: have it open its files below ${own}"
            opens = f'in a spec, needs = ["{need}"] opens it; activator doctor tells the line'
            return f"{what}: {opens}"
    return ""


def _chain(error: BaseException) -> list[BaseException]:
    """Return an exception, those of its group, and those that led to them; the last first."""
    found: list[BaseException] = []
    wanted: list[BaseException | None] = [error]
    while wanted and len(found) < MOST:
        each = wanted.pop(0)
        if each is None or each in found:
            continue
        found.append(each)
        if isinstance(each, BaseExceptionGroup):
            wanted += each.exceptions
        wanted.append(each.__cause__ or (None if each.__suppress_context__ else each.__context__))
    return found


def _is_confined() -> bool:
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as file:  # noqa: PTH123
            text = file.read()
    except OSError:
        return False
    return all(line in text for line in CONFINED)
