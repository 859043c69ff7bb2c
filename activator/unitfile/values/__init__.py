"""The grammar of values: what systemd makes of a line, by directive, value and version.

Offline and without a look at the machine: whether a user, a file or a device exists is not
asked. :func:`judge` tells what systemd would do; :func:`check` raises what a user should
see. A type of ``directives.tsv`` names its checker: a function of that name in the module
that :data:`TYPES` gives, imported when it is needed. Patterns are texts there, which
:mod:`re` compiles when one is first used, and then keeps.

Source: systemd's parsers for each directive (``load-fragment``), compared with
``systemd-analyze verify`` of each version in :data:`activator.unitfile.directives.VERSIONS`.
"""

import re
from collections.abc import Callable
from contextlib import suppress
from functools import cache, lru_cache
from importlib import import_module

from activator.errors import ActivatorError
from activator.unitfile import specifiers
from activator.unitfile.directives import NEWEST, OLDEST, Directive
from activator.unitfile.unquoting import (
    CUNESCAPE,
    PLAIN,
    RETAIN,
    UNQUOTE,
    VERBATIM,
    WHITESPACE,
    words,
)
from activator.unitfile.values.verdict import (
    ACCEPTED,
    BROKEN,
    IGNORED,
    NOTICE,
    REFUSED,
    REMOVED,
    SILENT,
    UNKNOWN,
    Context,
    Rejected,
    Verdict,
)

# Type → the module of its checker.
TYPES = {
    word: module
    for module, names in {
        "numbers": "boolean count tristate integer long unsigned mode percent quota-percent weight",
        "sizes": "size queue-size memory tasks limit quota",
        "times": "timespan",
        "calendar": "calendar",
        "enums": "enum standard-input standard-output protect-hostname refresh-on-reload errno",
        "paths": "path paths search-path namespace-paths bind-paths temporary-filesystems"
        " environment-file pid-file working-directory directories condition-path",
        "names": "string units unit install-names instance user users fdname interface"
        " interfaces bus-name variable-names variables environment log-fields log-namespace"
        " documentation reboot-argument xattr open-file label cgroup-name luo-session"
        " regex oom-rules",
        "sets": "flags silent-flags capabilities syscalls address-families namespaces"
        " filesystems exit-statuses coredump-filter delegate controllers cpu-set cpu-affinity"
        " numa-mask",
        "network": "address ip-prefixes socket-bind nft-sets bpf-program",
        "devices": "device-allow device-weight device-latency device-limit",
        "images": "image-policy mount-images extension-images root-image-options root-hash"
        " root-hash-signature",
        "credentials": "set-credential load-credential import-credential escaped-text base64",
        "commands": "command",
        "conditions": "condition",
        "signals": "signal",
    }.items()
    for word in names.split()
}
# Types of lists whose words are checked one by one, by the function of the type → what is undone.
LISTS = {
    **dict.fromkeys(
        ("install-names", "variable-names", "namespace-paths", "temporary-filesystems", "paths"),
        UNQUOTE,
    ),
    **dict.fromkeys(("variables", "environment", "log-fields"), CUNESCAPE),
    **dict.fromkeys(("documentation", "oom-rules", "bind-paths", "directories"), RETAIN),
    **dict.fromkeys(("users", "exit-statuses"), PLAIN),
    "units": VERBATIM,
}
# Lists of which systemd reads no word behind a wrong one.
_UP_TO_MISTAKES = {"Symlinks"}
# What checks specifiers by itself, because only a part of the value is expanded.
_OWN_SPECIFIERS = {
    "command",
    "import-credential",
    "install-names",
    "protect-hostname",
    "set-credential",
    "temporary-filesystems",
    "unit",
    "units",
}
# Where systemd refuses the unit rather than go on without the line.
_FATAL_TYPES = {"user", "users", "working-directory", "label"}
# Types that "-" in front makes harmless.
_OPTIONAL = {"working-directory", "label"}
# The same, where other directives of the type are not as grave.
FATAL = {"DynamicUser", "RootDirectory", "RootImage", "RootVerity", "RootMStack"}
# Known in [Socket] too, because all units with processes share a table, but without effect.
_NOT_FOR_SOCKETS = {
    "ManagedOOMMemoryPressure",
    "ManagedOOMMemoryPressureDurationSec",
    "ManagedOOMMemoryPressureLimit",
    "ManagedOOMSwap",
    "OOMRules",
}
# The specifiers that an instance stands for, and instances that values are made of.
_OF_INSTANCE = r"(?<!%)((?:%%)*)%[iIjJpP]"
_INSTANCES = ("x", "1", "/x", "127.0.0.1", "127.0.0.1:1")

Checker = Callable[[str, Context], Verdict | None]


@lru_cache(maxsize=8192)
def judge(directive: Directive, value: str, version: int = NEWEST) -> Verdict:
    """Tell what systemd makes of one line that it has read, looked at alone.

    Args:
        directive: The directive, from :func:`activator.unitfile.directives.lookup`.
        value: What it read after ``=``: lines joined, and white space at the ends dropped.
        version: The version of systemd.

    Returns:
        The verdict; nothing is raised for any text.
    """
    if verdict := _by_name(directive, version):
        return verdict
    try:
        _on_one_line(value)
        found = _examine(directive, value.strip(WHITESPACE), version)
    except Rejected as rejected:
        return _rejection(directive, value, rejected)
    except ActivatorError as error:
        return _rejection(directive, value, Rejected(error.message, error.hint))
    if found is not None:
        return found._replace(message=f"{directive.name}={value}: {found.message}")
    if directive.status == "deprecated":
        return Verdict(NOTICE, f"{directive.name}= is deprecated", f"use {directive.use}")
    return ACCEPTED


def judge_written(directive: Directive, value: str, version: int = NEWEST) -> Verdict:
    """Tell what systemd would make of one line that is to be written.

    A backslash at the end of a value joins the next line to it, unless white space follows in
    the file, which is gone when the value is read. Args and returns are those of :func:`judge`.
    """
    if value.endswith("\\") and (len(value) - len(value.rstrip("\\"))) % 2:
        joined = Rejected("the backslash joins the next line to the value", "remove it")
        return _rejection(directive, value, joined)
    return judge(directive, value, version)


def check(directive: Directive, value: str, version: int = NEWEST) -> Verdict:
    """Check one line that was read, and raise if systemd would not do what it says.

    Args:
        directive: The directive, from :func:`activator.unitfile.directives.lookup`.
        value: What systemd reads after ``=``.
        version: The version of systemd.

    Returns:
        The verdict, if systemd takes the line, perhaps with a notice.

    Raises:
        ActivatorError: systemd would drop the line or refuse the unit; the hint gives the
            right form.
    """
    verdict = judge(directive, value, version)
    if not verdict.accepted:
        raise verdict.error()
    return verdict


def _by_name(directive: Directive, version: int) -> Verdict | None:
    """Return a verdict if the directive's name alone decides."""
    name = directive.name
    if not directive.known(version):
        hint = f"it needs {directive.first} or later"
        return Verdict(UNKNOWN, f"systemd {version} does not know {name}=", hint)
    if directive.ignored(version):
        hint = f"use {directive.use}" if directive.use else "remove the line"
        return Verdict(REMOVED, f"systemd {version} ignores {name}=", hint)
    if directive.section == "Socket" and name in _NOT_FOR_SOCKETS:
        return Verdict(IGNORED, f"{name}= is not for socket units", "set it in the service")
    return None


def _examine(directive: Directive, value: str, version: int) -> Verdict | None:
    """Check a value of a directive that is known and in force."""
    word, _, argument = directive.type.partition(":")
    if not value and not directive.resets:
        if directive.repeat == "words-kept":
            outcome = NOTICE if directive.status == "deprecated" else SILENT
            return Verdict(outcome, "an empty value changes nothing", "remove the line")
        raise Rejected("the value is missing", _form(directive))
    if not value and word not in ("tristate", "protect-hostname", "delegate"):
        return None
    if "%" in value and word not in _OWN_SPECIFIERS and directive.expands(version):
        if bad := specifiers.fault(value, version):
            outcome = REFUSED if _fatal(directive, word, value) else IGNORED
            hint = specifiers.advice(bad, version)
            raise Rejected(f"unknown specifier {bad}", hint, outcome)
        sample = specifiers.sample(value)
        if re.search(_OF_INSTANCE, value):
            sample = _of_instance(word, value, sample, Context(directive, version, argument))
        value = sample
    checker = _checker(word)
    context = Context(directive, version, argument)
    if checker is None or not is_list(directive):
        return checker(value, context) if checker is not None else None
    found = [checker(each, context) for each in words(value, _mode(directive))]
    return next(filter(None, reversed(found)), None)


def kept(directive: Directive, value: str, version: int = NEWEST) -> list[str]:
    """Return the words of a list that systemd keeps: it goes on without a wrong one.

    Args:
        directive: One whose type is in :data:`LISTS`.
        value: What stands after ``=``.
        version: The version of systemd.
    """
    word, _, argument = directive.type.partition(":")
    checker, context = _checker(word), Context(directive, version, argument)
    expands = word not in _OWN_SPECIFIERS and directive.expands(version)
    found: list[str] = []
    with suppress(ActivatorError):  # what stands before a mistake in quoting counts
        for each in words(value, _mode(directive)):
            wrong = expands and bool(specifiers.fault(each, version))
            if checker is not None and not wrong:
                try:  # an escape that is wrong within a word is a mistake in quoting, too
                    checker(specifiers.sample(each) if expands else each, context)
                except Rejected:
                    wrong = True
            if not wrong:
                found.append(each)
            elif directive.name in _UP_TO_MISTAKES:
                break
    return found


def is_list(directive: Directive) -> bool:
    """Tell whether a wrong word of a directive's value leaves the others as they are."""
    return directive.type.partition(":")[0] in LISTS


def _mode(directive: Directive) -> str:
    """Return what is undone in the words of a list."""
    # Sockets= is read by another function of systemd's than the lists of [Unit].
    return PLAIN if directive.type == "units:socket" else LISTS[directive.type.partition(":")[0]]


def _of_instance(word: str, value: str, sample: str, context: Context) -> str:
    """Return a value with an instance that makes it right, if there is one.

    An instance may be a port, an address, a number or an unescaped path, or a part of these.
    """
    checker = _checker(word)
    for instance in _INSTANCES:
        text = specifiers.sample(re.sub(_OF_INSTANCE, rf"\g<1>{instance}", value))
        try:
            if checker is not None:
                checker(text, context)
        except (Rejected, ActivatorError):
            continue
        return text
    return sample


def _on_one_line(value: str) -> None:
    """Refuse what would end the line.

    Raises:
        Rejected: The value does.
    """
    if not value.isprintable() and ("\n" in value or "\r" in value or "\0" in value):
        raise Rejected("the value holds a line break or NUL", "write it on one line")


def _rejection(directive: Directive, value: str, rejected: Rejected) -> Verdict:
    """Return the verdict on a value that is none."""
    hint = rejected.hint
    if " #" in value or " ;" in value:
        hint = "a comment stands on a line of its own"
    elif directive.quoting == "address" and re.search(r"\]:[0-9]+%[^%]", value):
        hint = f"write {value.replace('%', '%%')}: a single % begins a specifier"
    elif len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        hint = f"write {value[1:-1]} without quotes" if directive.quoting == "raw" else hint
    shown = " ".join(value.replace("\0", "?").split("\n"))
    shown = shown if len(shown) <= 80 else f"{shown[:77]}..."  # noqa: PLR2004 - one line
    outcome = REFUSED if directive.name in FATAL else rejected.outcome
    if directive.section == "Install":
        # systemctl reads it when the unit is enabled, nobody when it is loaded.
        outcome = BROKEN
    return Verdict(outcome, f"{directive.name}={shown}: {rejected.what}", hint)


def _fatal(directive: Directive, word: str, value: str) -> bool:
    """Return whether an unknown specifier is fatal here."""
    if word in _OPTIONAL and value.startswith("-"):
        return False
    return directive.name in FATAL or word in _FATAL_TYPES


def _form(directive: Directive) -> str:
    """Return what to write instead of nothing."""
    if directive.default and not directive.default.endswith(")"):
        return f"the default is {directive.default}; remove the line for it"
    return "give a value or remove the line"


@cache
def _checker(word: str) -> Checker | None:
    """Return the function that checks a type, or None: then every text is taken."""
    module = TYPES.get(word)
    if module is None:
        return None
    found: Checker = getattr(
        import_module(f"activator.unitfile.values.{module}"), word.replace("-", "_")
    )
    return found


__all__ = ["OLDEST", "TYPES", "Verdict", "check", "judge", "judge_written"]
