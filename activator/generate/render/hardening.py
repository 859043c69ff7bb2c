"""The hardening lines of a service: the profile, and what the needs open again."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from activator.errors import ActivatorError
from activator.generate import hardening
from activator.generate.hardening import SECTION
from activator.generate.render.lines import Line, line
from activator.generate.specfile.spec import Mode, Spec
from activator.unitfile import directives, quoting, unquoting

Groups = dict[str, list[Line]]

# What systemd takes for the name of a user: 31 characters at most.
_USER = r"[A-Za-z_][A-Za-z0-9_-]{0,30}"
# A value that stands for an empty list; words that are added take its place.
_EMPTY = {"", "none", "yes"}
# Values of Type= by which a program reports to systemd, and other reasons to do so.
_NOTIFYING = {"notify", "notify-reload"}
_REPORTS = {"WatchdogSec", "FileDescriptorStoreMax", "NotifyAccess"}


def lines(spec: Spec, conditions: set[str]) -> list[Line]:
    """Return the lines of [Service] that harden a service.

    A directive that the spec sets itself is left to it, unless it is a list that only a need
    adds to: then the two add up, as they do for systemd.

    Args:
        spec: The spec.
        conditions: What holds for this service: ``shared`` or ``per-connection``, ``handler``,
            ``notify``; with a proxy before it ``backend``, ``by-path`` or ``by-port``.

    Raises:
        ActivatorError: Something has no form in a unit file.
    """
    if spec.hardening not in hardening.profiles() or spec.hardening == "none":
        return []
    given = frozenset(setting.name for setting in spec.settings if setting.section == SECTION)
    holds = frozenset((*conditions, *_conditions(spec, conditions)))
    key = (
        spec.hardening,
        spec.needs,
        spec.systemd,
        spec.user,
        holds,
        given,
        tuple(_programs(spec)),
        tuple(socket.mode for socket in spec.sockets),
    )
    if key not in _kept:
        terms = {"name": spec.name, "user": user(spec.name), "python": spec.python}
        made = _made(spec, set(holds), given, terms)
        names = {spec.name, quoting.word(spec.name), terms["user"]}
        if any(name in item.value for item in made for name in names):
            return made
        _kept[key] = made
    return _kept[key]


# Lines that have nothing of the spec's name in them, by all they depend on.
_kept: dict[tuple[object, ...], list[Line]] = {}


def _made(
    spec: Spec, conditions: set[str], given: frozenset[str], terms: Mapping[str, str]
) -> list[Line]:
    """Return the lines that harden a service."""
    groups = _closed(spec, conditions, terms)
    profile = set(groups)
    _open(spec, groups, terms)
    if spec.user:
        _leave_to_the_system(spec, groups)
    kept = (
        name for name in groups if name not in given or (name not in profile and _is_list(name))
    )
    return [made for name in kept for made in groups[name]]


def beside(lines: list[Line], more: list[Line]) -> Iterator[Line]:
    """Yield those hardening lines that do not say once more what other lines say already."""
    names = {have.name for have in lines}
    said = {(have.name, have.value) for have in lines}
    for made in more:
        if made.name not in names or (_is_list(made.name) and (made.name, made.value) not in said):
            yield made


def user(name: str) -> str:
    """Return the name of the user that all services of a spec share.

    Without one, DynamicUser= makes one for each service (not for each instance), and each
    service that starts would take the directories over from the others.
    """
    if re.fullmatch(_USER, name):
        return name
    return f"_{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def needs(spec: Spec) -> list[tuple[hardening.Need, str]]:
    """Return what the profile and the spec need, with the arguments, in the table's order."""
    texts = dict.fromkeys((*hardening.profiles()[spec.hardening].needs, *spec.needs))
    found = [*map(hardening.find, texts), *_own_needs(spec)]
    if not found:
        return []  # most services; the table of needs is not even read
    order = list(hardening.needs())
    return sorted(found, key=lambda pair: order.index(pair[0].form))


def _closed(spec: Spec, conditions: set[str], terms: Mapping[str, str]) -> Groups:
    """Return the profile's lines by directive, before any need."""
    opened = {need.form for need, _ in needs(spec)}
    groups: Groups = {}
    for row in hardening.rows():
        if not row.when <= conditions or row.since > spec.systemd or row.unless in opened:
            continue
        if not row.more:
            groups.pop(row.name, None)
        _add(groups, row.name, hardening.fill(row.name, row.value, terms), row.why)
    return groups


def _open(spec: Spec, groups: Groups, terms: Mapping[str, str]) -> None:
    """Change the lines to what the needs ask for."""
    instances = sum(socket.mode is Mode.PER_CONNECTION for socket in spec.sockets)
    apart = sum(socket.mode is not Mode.SHARED for socket in spec.sockets)
    several = apart > 1 or 0 < apart < len(spec.sockets)
    for need, argument in needs(spec):
        filling = {**terms, "argument": argument}
        effect = hardening.effect(need, argument)
        why = f"{need.name}: {need.summary.partition(';')[0]}"
        for name in effect.drop:
            groups.pop(name, None)
        for name, template in effect.remove.items():
            _remove(groups, name, hardening.fill(name, template, filling))
        values = {
            **effect.set,
            **(need.instances if instances else {}),
            **(need.services if several else {}),
        }
        for name, template in values.items():
            groups[name] = [line(SECTION, name, hardening.fill(name, template, filling), why)]
        for name, template in effect.add.items():
            if name == "NoExecPaths" and _holds_program(spec, template.format_map(filling)):
                continue
            words = hardening.fill(name, template, filling)
            # A template that begins so is a directory of the service's own.
            own = hardening.of_users(words) if spec.user and template.startswith("/") else ""
            if own:
                # It lies among the user's files, which are hidden.
                _add(groups, "BindPaths", own, why)
            _add(groups, name, own or words, why)


def _leave_to_the_system(spec: Spec, groups: Groups) -> None:
    """Remove what a user's manager cannot do; raise where a need is that."""
    for need, _ in needs(spec):
        if need.name in hardening.OTHERS:
            what = f"a user's manager cannot give the need {need.form!r}"
            raise ActivatorError(what, "leave it out", place=spec.source)
    for name in hardening.system_only():
        groups.pop(name, None)


def _add(groups: Groups, name: str, words: str, why: str) -> None:
    """Add words to a directive's last line, or a line where they cannot join it."""
    have = groups.setdefault(name, [])
    directive = directives.lookup(SECTION, name)
    alone = directive is None or directive.repeat == "lines"
    if not have or alone or "~" in (words[:1], have[-1].value[:1]):
        have.append(line(SECTION, name, words, why))
        return
    last = have[-1]
    if last.value == "no":
        return  # it is open altogether
    if last.value in _EMPTY:
        have[-1] = line(SECTION, name, words, why)
        return
    missing = [word for word in words.split(" ") if word not in last.value.split(" ")]
    if missing:
        reasons = last.why if why in last.why else f"{last.why}; {why}"
        have[-1] = line(SECTION, name, " ".join([last.value, *missing]), reasons)


def _remove(groups: Groups, name: str, word: str) -> None:
    """Remove a word from a directive's lines, and the lines that are empty then."""
    kept = []
    for item in groups.get(name, ()):
        words = [other for other in item.value.split(" ") if other != word]
        if words:
            kept.append(item._replace(value=" ".join(words)))
    groups[name] = kept


def _conditions(spec: Spec, conditions: set[str]) -> Iterator[str]:
    """Yield what else holds for a service, for the table's ``when``."""
    settings = {item.name: item.value for item in spec.settings if item.section == SECTION}
    yield "users" if spec.user else "system"
    if spec.python and spec.handlers and "handler" in conditions:
        yield "interpreter"
    default = "notify" if conditions >= {"handler", "shared"} else ""
    if settings.get("Type", default) in _NOTIFYING or _REPORTS & settings.keys():
        yield "notify"


def _programs(spec: Spec) -> Iterator[str]:
    """Yield the paths from which the service is run."""
    if spec.command:
        for command in unquoting.split_command(spec.command)[:1]:
            if command.path.startswith("/"):
                yield command.path
    if spec.python:
        yield spec.python
    if spec.app_dir:
        yield spec.app_dir


def _own_needs(spec: Spec) -> Iterator[tuple[hardening.Need, str]]:
    """Yield the needs that come from the spec itself: to read its own program."""
    for path in dict.fromkeys(_programs(spec)):
        if not hardening.hiding(path):
            continue
        # An interpreter comes with its library: PREFIX/bin/python.
        prefix = str(PurePosixPath(path).parent.parent) if path == spec.python else path
        shown = prefix if hardening.hiding(prefix) != prefix and hardening.hiding(prefix) else path
        yield hardening.needs()["read:PATH"], shown


def _holds_program(spec: Spec, directory: str) -> bool:
    """Tell whether the service is run from below a directory."""
    return any(PurePosixPath(path).is_relative_to(directory) for path in _programs(spec))


def _is_list(name: str) -> bool:
    """Tell whether several lines of a directive add up."""
    directive = directives.lookup(SECTION, name)
    return directive is not None and directive.repeat in ("lines", "words", "words-kept")
