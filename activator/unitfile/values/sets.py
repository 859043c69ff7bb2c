"""Lists of words from a known set, and of numbers."""

import errno
from collections.abc import Iterable, Iterator

from activator.common.integers import to_integer
from activator.common.suggest import nearest
from activator.errors import ActivatorError
from activator.unitfile.unquoting import PLAIN, words
from activator.unitfile.values.enums import known, table
from activator.unitfile.values.numbers import BOOLEANS
from activator.unitfile.values.signals import to_signal
from activator.unitfile.values.verdict import SILENT, Context, Rejected, Verdict, note

_STATUS_MAX = 255
_CAPABILITY_MAX = 62
_ERRNO_MAX = 4095
_MASK_DIGITS = 16
_CPU_MAX = 8191
# The kernel has names for these, and no sockets.
_NO_FAMILIES = ("AF_UNSPEC", "AF_MAX")


def flags(value: str, context: Context) -> Verdict | None:
    """Check a list of words; the argument names the set."""
    _each(words(value), known(context.argument, context.version))
    return None


def silent_flags(value: str, context: Context) -> Verdict | None:
    """Check a list of words; systemd says nothing about unknown ones."""
    taken = known(context.argument, context.version)
    return _silent([word for word in _relaxed(value) if taken and word not in taken])


def capabilities(value: str, context: Context) -> Verdict | None:
    """Check a list of capabilities, after ``~`` for all but these."""
    taken = known("capability", context.version)
    unknown = []
    for word in _relaxed(value.removeprefix("~")):
        number = to_integer(word)
        if number is not None:
            if not 0 <= number <= _CAPABILITY_MAX:
                unknown.append(word)
        elif word.lower()[:4] != "cap_" or word.lower()[4:] not in taken:
            unknown.append(word)
    return _silent(unknown)


def syscalls(value: str, context: Context) -> Verdict | None:
    """Check a list of system calls and groups, after ``~`` for all but these.

    The calls are those of all architectures, as the libseccomp of each version knows them.
    """
    inverted = value.startswith("~")
    groups = known("syscall-group", context.version)
    calls = known("syscall", context.version)
    for word in words(value.removeprefix("~"), PLAIN):
        name, colon, error = word.partition(":")
        if colon and context.argument == "log":
            raise Rejected(f"{word!r} has an error number", f"write {name}")
        if colon and not (error == "kill" or _is_errno(error)):
            raise Rejected(f"{error!r} is not an error", "write a name such as EPERM, or kill")
        if colon and not inverted:
            raise Rejected("an allowed call takes no error number", f"write {name}")
        if name.startswith("~"):
            raise Rejected("~ stands in front of the whole list", f"write {name} on its own line")
        if name.startswith("@") and name not in groups:
            raise Rejected(f"{name} is not a group of system calls", _near(name, groups))
        if name[:1] != "@" and name not in calls:
            near = nearest(name, sorted(calls), least=0.75)
            hint = f"did you mean {near}?" if near else "write names and @groups"
            if found := table("syscall").get(name):
                hint = f"the libseccomp beside systemd {found.since} knows it"
            raise Rejected(f"{name!r} is not a system call", hint)
    return None


def address_families(value: str, context: Context) -> Verdict | None:
    """Check a list of address families, after ``~`` for all but these, or ``none``."""
    if value == "none":
        return None
    taken = known("address-family", context.version)
    for word in words(value.removeprefix("~")):
        if word[:3].upper() != "AF_" or word[3:].lower() not in taken:
            families = [f"AF_{family.upper()}" for family in taken]
            if word in _NO_FAMILIES:
                raise Rejected(f"{word} is not a family that can be restricted", "leave it out")
            near = nearest(f"AF_{word.upper().removeprefix('AF_')}", sorted(families))
            hint = f"write {near}" if near else "write families such as AF_UNIX and AF_INET"
            raise Rejected(f"{word!r} is not an address family", hint)
    return None


def namespaces(value: str, context: Context) -> Verdict | None:
    """Check yes, no or a list of namespaces; the argument names one that is not allowed."""
    if value.lower() in BOOLEANS:
        return None
    _each(
        words(value.removeprefix("~"), PLAIN),
        known("namespace", context.version) - {context.argument},
    )
    return None


def filesystems(value: str, context: Context) -> Verdict | None:
    """Check a list of file systems and groups, after ``~`` for all but these."""
    groups = known("filesystem-group", context.version)
    for word in words(value.removeprefix("~")):
        if word.startswith("@") and word not in groups:
            raise Rejected(f"{word} is not a group of file systems", _near(word, groups))
    return None


def exit_statuses(word: str, context: Context) -> Verdict | None:
    """Check an exit status or a signal."""
    number = to_integer(word)
    named = word in known("exit-status", context.version) or to_signal(word) is not None
    if not (named if number is None else 0 <= number <= _STATUS_MAX):
        raise Rejected(
            f"{word!r} is neither an exit status nor a signal", "write 0 to 255 or a signal"
        )
    return None


def coredump_filter(value: str, context: Context) -> Verdict | None:
    """Check a list of memory kinds, or a mask in hexadecimal digits."""
    taken = known("coredump-filter", context.version)
    for word in words(value, PLAIN):
        digits = word.lower().removeprefix("+").removeprefix("0x")
        mask = not digits.strip("0123456789abcdef") and len(digits.lstrip("0")) <= _MASK_DIGITS
        if word not in taken and not (digits and mask):
            raise Rejected(f"{word!r} is not a kind of memory", _near(word, taken))
    return None


def delegate(value: str, context: Context) -> Verdict | None:
    """Check yes, no or a list of controllers; only services can delegate."""
    if context.directive.section == "Socket":
        raise Rejected("a socket unit cannot delegate", "set it in the service")
    if value.lower() not in BOOLEANS:
        _each(words(value), known("controller", context.version))
    return None


def controllers(value: str, context: Context) -> Verdict | None:
    """Check a list of controllers; systemd says nothing if one of them is known."""
    taken = known("controller", context.version)
    unknown = []
    total = 0
    for word in words(value, PLAIN):
        total += 1
        if word not in taken:
            unknown.append(word)
    if total == len(unknown):
        raise Rejected("this is not a controller", f"write {', '.join(sorted(taken))}")
    return _silent(unknown)


def cpu_set(value: str, _: Context) -> Verdict | None:
    """Check a list of numbers and ranges, such as ``0-3 8``."""
    for word in words(value.replace(",", " ")):
        low, dash, high = word.partition("-")
        numbers = [to_integer(low), to_integer(high) if dash else 0]
        if None in numbers or not all(0 <= (number or 0) <= _CPU_MAX for number in numbers):
            raise Rejected(f"{word!r} is neither a number nor a range", "write 0-3 or 0,2")
        if dash and (numbers[0] or 0) > (numbers[1] or 0):
            raise Rejected(f"the range {word} goes down", f"write {high}-{low}")
    return None


def cpu_affinity(value: str, context: Context) -> Verdict | None:
    """Check a list of CPUs, or ``numa``."""
    return None if value == "numa" else cpu_set(value, context)


def numa_mask(value: str, context: Context) -> Verdict | None:
    """Check a list of NUMA nodes, or ``all``."""
    return None if value == "all" else cpu_set(value, context)


def _each(given: Iterable[str], taken: frozenset[str]) -> None:
    """Refuse the first word that is not in a set.

    Raises:
        Rejected: There is one.
    """
    for word in given:
        if word not in taken:
            raise Rejected(f"{word!r} is unknown", _near(word, taken))


def _relaxed(value: str) -> Iterator[str]:
    """Yield a list's words; a quote may stay open."""
    try:
        yield from list(words(value))
    except ActivatorError:
        yield value


def _silent(unknown: list[str]) -> Verdict | None:
    """Return a verdict on words that systemd drops without a word."""
    if not unknown:
        return None
    return note(f"{unknown[0]!r} is unknown", "systemd drops it without a word", SILENT)


def _is_errno(text: str) -> bool:
    """Return whether a text is an error's name or number."""
    number = to_integer(text)
    if number is not None:
        return 0 <= number <= _ERRNO_MAX
    return text[:1] in ("E", "e") and hasattr(errno, text.upper())


def _near(word: str, taken: frozenset[str]) -> str:
    """Return the word that was meant, or some to choose from."""
    for other in taken:
        if other.lower() == word.lower():
            return f"write {other}"
    shown = sorted(taken)
    if len(shown) > 10:  # noqa: PLR2004 - a line to read
        return f"write one of {', '.join(shown[:10])}..."
    return f"write {', '.join(shown)}"
