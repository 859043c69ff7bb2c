"""Names: of units, users, interfaces, descriptors, variables, signals and the like."""

import re

from activator.common.fdname import LONGEST, is_fdname
from activator.common.integers import bounded, to_integer
from activator.unitfile import specifiers
from activator.unitfile.unquoting import PLAIN, unescape, words
from activator.unitfile.values.numbers import UINT_MAX
from activator.unitfile.values.paths import absolute
from activator.unitfile.values.verdict import (
    BROKEN,
    IGNORED,
    REFUSED,
    Context,
    Rejected,
    Verdict,
    note,
)

UNIT_TYPES = (
    "service",
    "socket",
    "target",
    "device",
    "mount",
    "automount",
    "swap",
    "timer",
    "path",
    "slice",
    "scope",
)
_UNIT_NAME_MAX = 255
_UNIT = rf"[A-Za-z0-9:_.\\@-]+\.({'|'.join(UNIT_TYPES)})"
_NAME_MAX = 255
_IFNAME_MAX = 15
_ALTIFNAME_MAX = 127
_ALTIFNAME_SINCE = 257
_IFNAME = r"[!-$&-.0-9;-~]+"
_STRICT_USER = r"[A-Za-z_][A-Za-z0-9_-]{0,30}"
_SUSPICIOUS_USER = r"(?s)-?[0-9]*|\.\.?|.*[:/].*|.*[\x00-\x1f\x7f].*"
# 16 and 32 bits of ones mean "no user".
_NO_USERS = (0xFFFF, UINT_MAX)
_VARIABLE = r"[A-Za-z_][A-Za-z0-9_]*"
_FIELD = r"[A-Z][A-Z0-9_]{0,63}"
_BUS_NAME = r":?[A-Za-z_-][A-Za-z0-9_-]*(\.[A-Za-z_-][A-Za-z0-9_-]*)+"
_URLS = ("http://", "https://", "file:/", "info:", "man:")
_OPEN_OPTIONS = ("read-only", "append", "truncate", "graceful")
_LOG_NAMESPACE = r"[A-Za-z0-9:_.@-]{1,221}"
# What is special to shells, quotes and control characters.
_UNSAFE = r"[*?\[\"'\\\x00-\x1f\x7f]"
_INSTANCE = r"[A-Za-z0-9:_.\\@-]*"
_CGROUP_RESERVED = (
    r"(?s)[_.].*|notify_on_release|release_agent|tasks"
    r"|(cgroup|cpu|cpuacct|cpuset|io|blkio|memory|devices|pids)\..*"
)


def string(_: str, __: Context) -> Verdict | None:
    """Take any text."""
    return None


def units(word: str, context: Context) -> Verdict | None:
    """Check one of several units; the argument is the only type that is allowed."""
    # systemd makes an instance of a template, with the unit's own instance or prefix.
    _unit(word, context)
    return None


def unit(value: str, context: Context) -> Verdict | None:
    """Check one unit of the type that the argument names."""
    name, suffix = _unit(value, context)
    if name.endswith("@"):
        raise Rejected(f"{value!r} is a template", f"write {name}INSTANCE.{suffix}")
    return None


def install_names(word: str, context: Context) -> Verdict | None:
    """Check one of the units of [Install]; systemd reads them when the unit is enabled."""
    name = _sampled(word, context, BROKEN)
    if not re.fullmatch(_UNIT, name):
        raise Rejected(f"{word!r} is not a unit", _unit_hint(word, "target"), BROKEN)
    return None


def instance(value: str, _: Context) -> Verdict | None:
    """Check an instance's name."""
    if not re.fullmatch(_INSTANCE, value):
        raise Rejected("this is not an instance name", "escape it with systemd-escape", BROKEN)
    return None


def user(name: str, context: Context) -> Verdict | None:
    """Check a user or group: a name or a number; systemd refuses the unit of a wrong one."""
    if name.isdecimal() and name.isascii() and (name == "0" or name[0] != "0"):
        if bounded(name) in _NO_USERS or bounded(name) > UINT_MAX:
            raise Rejected(f"{name} is nobody's number", "give a name", REFUSED)
        return None
    if not name or re.fullmatch(_SUSPICIOUS_USER, name) or name != name.strip(" "):
        raise Rejected(
            f"{name!r} is neither a name nor a number", "use letters, digits and -", REFUSED
        )
    if not re.fullmatch(_STRICT_USER, name):
        return note("the name is unusual", "use letters, digits, - and _")
    if name == "nobody" and "User" in context.directive.name:
        return note("nobody is not safe to share", "use DynamicUser=yes or a user of its own")
    return None


users = user  # each word of a list


def fdname(value: str, _: Context) -> Verdict | None:
    """Check a descriptor's name: printable ASCII without a colon, at most 255 characters."""
    if not value or is_fdname(value):
        return None
    if len(value) > LONGEST:
        raise Rejected(f"a descriptor's name has at most {LONGEST} characters", "shorten it")
    if is_fdname(value.replace(":", "-")):
        raise Rejected("a descriptor's name holds no colon", f"write {value.replace(':', '-')}")
    raise Rejected("a descriptor's name is printable ASCII", "use letters, digits and -")


def interface(value: str, context: Context) -> Verdict | None:
    """Check a network interface's name, or ``*`` for none; the argument allows long ones."""
    if value != "*":
        _interface(value, _ALTIFNAME_MAX if context.argument == "long" else _IFNAME_MAX)
    return None


def interfaces(value: str, context: Context) -> Verdict | None:
    """Check a list of network interfaces, after ``~`` if it says which not."""
    longest = _ALTIFNAME_MAX if context.version >= _ALTIFNAME_SINCE else _IFNAME_MAX
    for word in words(value.removeprefix("~")):
        _interface(word, longest)
    return None


def bus_name(value: str, _: Context) -> Verdict | None:
    """Check a D-Bus name, such as org.example.Service."""
    if len(value) > _NAME_MAX or not re.fullmatch(_BUS_NAME, value):
        raise Rejected("this is not a bus name", "write two or more parts: org.example.Service")
    return None


def variable_names(name: str, _: Context) -> Verdict | None:
    """Check an environment variable's name."""
    if not re.fullmatch(_VARIABLE, name):
        raise Rejected(f"{name!r} is not a variable name", "use letters, digits and _")
    return None


def variables(word: str, context: Context) -> Verdict | None:
    """Check a variable's name or an assignment to it."""
    return variable_names(word.partition("=")[0], context)


def environment(word: str, context: Context) -> Verdict | None:
    """Check an assignment, NAME=VALUE."""
    name, equals, _text = word.partition("=")
    if not equals:
        raise Rejected(f"{word!r} assigns nothing", f"write {word}=VALUE, or quote it all")
    return variable_names(name, context)


def log_fields(word: str, _: Context) -> Verdict | None:
    """Check a journal field, FIELD=VALUE."""
    name, equals, _text = word.partition("=")
    if not equals or not re.fullmatch(_FIELD, name):
        raise Rejected(f"{word!r} is not a journal field", f"write {name.upper().strip('_')}=...")
    return None


def log_namespace(value: str, _: Context) -> Verdict | None:
    """Check the name of a journal namespace."""
    if not re.fullmatch(_LOG_NAMESPACE, value) or value in (".", ".."):
        raise Rejected("this is not a journal namespace", "use letters, digits, - and _")
    return None


def documentation(word: str, _: Context) -> Verdict | None:
    """Check the address of a page: http, https, file, info or man."""
    known = any(word.startswith(url) and len(word) > len(url) for url in _URLS)
    if not known or not word.isascii():
        hint = f"write man:{word}" if re.fullmatch(r"\S+\(\d\w*\)", word) else ""
        raise Rejected(f"{word!r} is not such an address", hint or "write https://... or man:...")
    return None


def reboot_argument(value: str, _: Context) -> Verdict | None:
    """Check the argument of a reboot: ASCII, at most 255 characters."""
    if not value.isascii() or len(value) > _NAME_MAX:
        raise Rejected("this is not ASCII text of at most 255 characters", "shorten it")
    return None


def xattr(value: str, _: Context) -> Verdict | None:
    """Check an extended attribute, ``user.NAME=VALUE``."""
    name, equals, _text = value.partition("=")
    if not equals or not name.startswith("user."):
        raise Rejected("this sets no attribute of users", "write user.NAME=VALUE")
    return None


def open_file(value: str, context: Context) -> Verdict | None:
    """Check ``PATH[:FDNAME[:OPTIONS]]``."""
    parts = [unescape(part) for part in value.split(":")]
    if len(parts) > 3:  # noqa: PLR2004 - path, name, options
        raise Rejected("there are more than three parts", "write PATH:FDNAME:OPTIONS")
    file, name, options = (*parts, "", "")[:3]
    # Unlike elsewhere, ".." may stand in the path.
    absolute(file.replace("..", "."))
    last = file.rstrip("/").rsplit("/", 1)[-1]
    if not name and not last:
        raise Rejected("the root directory has no name", "write PATH:FDNAME")
    fdname(name or last, context)
    given = [option for option in options.split(",") if option]
    unknown = [option for option in given if option not in _OPEN_OPTIONS]
    if unknown:
        raise Rejected(f"{unknown[0]!r} is not an option", f"write {', '.join(_OPEN_OPTIONS)}")
    if len(set(given)) < len(given) or len(set(given) - {"graceful"}) > 1:
        raise Rejected("the options contradict each other", "give one of them")
    return None


def label(_: str, __: Context) -> Verdict | None:
    """Take any label or profile; whether it exists shows when the service starts."""
    return None


def cgroup_name(value: str, context: Context) -> Verdict | None:
    """Check the name of a control group; only services can delegate."""
    if context.directive.section == "Socket":
        raise Rejected("a socket unit cannot delegate", "set it in the service")
    if "/" in value or len(value.encode(errors="replace")) > _NAME_MAX:
        raise Rejected("this is not a control group name", "write one name without a slash")
    if re.fullmatch(_CGROUP_RESERVED, value):
        raise Rejected("the kernel reserves this name", "choose another")
    return None


def luo_session(value: str, _: Context) -> Verdict | None:
    """Check a list of live update sessions' names."""
    seen: set[str] = set()
    for word in words(value, PLAIN):
        if not word.isascii() or ":" in word or re.search(_UNSAFE, word):
            raise Rejected(f"{word!r} is not a session name", "use letters, digits and -")
        if word in seen:
            raise Rejected(f"{word!r} stands there twice", "write it once")
        seen.add(word)
    return None


def regex(value: str, _: Context) -> Verdict | None:
    """Check a pattern, after ``~`` if it says what not."""
    pattern = value.removeprefix("~")
    if not pattern:
        raise Rejected("the pattern is missing", "write ~PATTERN")
    return None


def oom_rules(word: str, _: Context) -> Verdict | None:
    """Check a rule's name."""
    if "/" in word or word in (".", "..") or re.search(_UNSAFE, word):
        raise Rejected(f"{word!r} is not a rule name", "use letters, digits and -")
    return None


def _sampled(word: str, context: Context, outcome: str = IGNORED) -> str:
    """Return a unit's name with its specifiers replaced.

    Raises:
        Rejected: One is unknown in names.
    """
    if "%" not in word:
        return word
    if bad := specifiers.fault(word, context.version, in_names=True):
        hint = specifiers.advice(bad, context.version)
        raise Rejected(f"unknown specifier {bad} in {word!r}", hint, outcome)
    return specifiers.sample(word)


def _unit(word: str, context: Context) -> tuple[str, str]:
    """Check one unit's name, and return it and its type.

    Raises:
        Rejected: It is none, or of a wrong type.
    """
    name = _sampled(word, context)
    match = re.fullmatch(_UNIT, name)
    wanted = context.argument
    if match is None or len(name) > _UNIT_NAME_MAX or name[0] == "@":
        raise Rejected(f"{word!r} is not a unit", _unit_hint(word, wanted or "service"))
    if match[1] == "slice" and "@" in name:
        raise Rejected(f"{word!r} is not a slice", "slices have no instances; use - between parts")
    if wanted and match[1] != wanted:
        raise Rejected(
            f"{word!r} is no .{wanted} unit", f"write {word.removesuffix(match[1])}{wanted}"
        )
    return name.removesuffix(f".{match[1]}"), match[1]


def _unit_hint(word: str, suffix: str) -> str:
    """Return the form of a unit's name."""
    if re.fullmatch(r"[A-Za-z0-9:_.@-]+", word):
        return f"write {word}.{suffix}"
    return f"write NAME.{suffix}"


def _interface(name: str, longest: int) -> None:
    """Check one network interface's name.

    Raises:
        Rejected: It is none.
    """
    if len(name) > longest:
        raise Rejected(f"{name!r} is longer than {longest} characters", "give its short name")
    if not re.fullmatch(_IFNAME, name) or name in (".", "..", "all", "default"):
        raise Rejected(f"{name!r} is not an interface", "write a name such as eth0")
    if name.isdecimal() or (to_integer(name) or 0) > 0:
        raise Rejected(f"{name!r} is a number", "write the interface's name")
