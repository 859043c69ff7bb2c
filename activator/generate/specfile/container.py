"""What a spec with an ``image`` takes beside the rest: the container that Quadlet makes of it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from activator.errors import ActivatorError
from activator.generate.specfile import intents
from activator.generate.specfile.directives import Newer, Report, one_line
from activator.generate.specfile.podman import version
from activator.generate.specfile.spec import Container, Setting, Socket, Spec
from activator.unitfile import address, kinds, quadlet, quoting
from activator.unitfile.quadlet import values
from activator.unitfile.quadlet.versions import OLDEST, Version, written

SECTION = "Container"
# Set by the generator from the spec's intents; a second place to say it would contradict.
RESERVED = {
    "Image": "image = ... decides it",
    "Rootfs": "image = ... decides what is run",
    "Exec": "exec = ... decides it",
    "ServiceName": "the spec's name decides it",
}
# Keys of a spec that mean nothing for what runs in a container.
_ELSEWHERE = {
    "python": "the image has its own interpreter",
    "app-dir": "the image has the code",
    "isolation": 'mode = "per-connection" gives each connection a container',
    "tls": "have the program in the image read the files: needs = ['read:/path']",
}
_IMAGE = r"[A-Za-z0-9][A-Za-z0-9._/:@+-]*"
# A registry before the first slash; Quadlet's own files need none.
_WHOLE = r"[^/]*[.:][^/]*/.+|localhost/.+|.+\.(image|build)|[0-9a-f]{12,64}|sha256:.+"


def read(
    tree: Mapping[str, Any], systemd: int, settings: Sequence[Setting], report: Report
) -> Container | None:
    """Return the container that a spec asks for, None if it asks for none.

    Args:
        tree: The whole spec, its keys' types already checked and reported.
        systemd: The systemd version it is for.
        settings: The directives given for the service.
        report: Called with each mistake.
    """
    if "image" not in tree:
        for key in ("container", "podman"):
            if key in tree:
                what = f"{key} is for a service in a container"
                report(ActivatorError(what, 'give image = "localhost/NAME:1"'), (key,))
        return None
    for key in intents.HANDLERS:
        if key in tree:
            hint = 'write exec = "activator serve ...", or leave out image'
            report(ActivatorError(f"a container has no {key}", hint), (key,))
    for key, hint in _ELSEWHERE.items():
        if key in tree:
            report(ActivatorError(f"{key} is not for a container", hint), (key,))
    podman = OLDEST
    try:
        podman = version(tree.get("podman"), systemd)
    except ActivatorError as error:
        report(error, ("podman",))
    image = str(tree["image"])
    if not re.fullmatch(_IMAGE, image):
        hint = 'write it as podman does, as "localhost/shop:1"'
        report(ActivatorError(f"image = {image!r} is not the name of an image", hint), ("image",))
    _check_service(settings, report)
    return Container(image, podman, tuple(_settings(tree.get("container", {}), podman, report)))


def checked(spec: Spec, container: Container, report: Report) -> Spec:
    """Return a spec, checked against its container, with a note on each thing that is doubtful.

    Args:
        spec: The spec.
        container: Its container.
        report: Called with each mistake.
    """
    _check(spec, container, report)
    notes = (f"{spec.place((key,))}: {text}" for key, text in _doubtful(container))
    return spec._replace(notes=(*spec.notes, *notes))


def _check(spec: Spec, container: Container, report: Report) -> None:
    """Report what contradicts the rest of the spec."""
    ports = dict(_ports(spec.sockets))
    for setting in container.settings:
        found = re.search(r"(?:^|:)0*([0-9]{1,5})(?::[0-9-]+)?(?:/\w+)?$", setting.value)
        if setting.name == "PublishPort" and found and int(found[1]) in ports:
            what = f"PublishPort={setting.value} would take the port of {ports[int(found[1])]}"
            report(
                ActivatorError(what, "remove it: systemd listens for the container"), setting.path
            )
        if setting.name == "RunInit" and values.is_true(setting.value) and not spec.proxy:
            what = "with RunInit= the program is not process 1, which alone gets the sockets"
            report(ActivatorError(what, "remove it"), setting.path)
    if spec.proxy:
        _check_proxy(spec, container, report)


def _doubtful(container: Container) -> Iterator[tuple[str, str]]:
    """Yield what is doubtful: the key, and a line about it."""
    if not re.fullmatch(_WHOLE, container.image):
        yield "image", f"image {container.image!r} names no registry; write localhost/... or that"
    for setting in container.settings:
        if setting.name == "Network" and setting.value == "host":
            what = "Network=host gives the container the machine's network, which no socket needs"
            yield "container", what


def _check_service(settings: Sequence[Setting], report: Report) -> None:
    """Report directives of [Service] that Quadlet or podman does not bear."""
    for setting in settings:
        limit = quadlet.service_limits().get(setting.name)
        if setting.section != "Service" or limit is None:
            continue
        if not (limit.allowed and re.fullmatch(limit.allowed, setting.value)):
            what = f"{setting.name}={setting.value} is not for a container: {limit.what}"
            report(ActivatorError(what, limit.hint), setting.path)


def _settings(table: Any, podman: Version, report: Report) -> Iterator[Setting]:
    """Yield the keys of [container] as settings, lists as repeats."""
    if not isinstance(table, dict):
        return  # told already
    for name, value in table.items():
        here = ("container", name)
        key = quadlet.lookup(SECTION, name)
        if key is None:
            hint = quadlet.suggest(SECTION, name)
            report(ActivatorError(f"[{SECTION}] has no key {name!r}", hint), here)
            continue
        if name in RESERVED:
            report(ActivatorError(f"{name}= is not set here", RESERVED[name]), here)
            continue
        if isinstance(value, list) and len(value) > 1 and key.repeat == "single":
            what = f"{name}= is given {len(value)} values, and only the last would count"
            report(ActivatorError(what, "give one"), here)
            continue
        items = list(enumerate(value)) if isinstance(value, list) else [(None, value)]
        for index, item in items:
            where = here if index is None else (*here, index)
            try:
                if old := quadlet.newer(key, podman):
                    hint = f"it needs podman {written(key.since)} or later"
                    raise Newer(old, f"{hint}, or give --newer=drop")
                text = _written(key, item)
                values.check(key, text, podman)
            except ActivatorError as error:
                report(error, where)
            else:
                yield Setting(SECTION, name, text, where)


def _written(key: quadlet.Key, value: Any) -> str:
    """Return a TOML value in Quadlet's syntax, which is systemd's.

    Raises:
        ActivatorError: It has the wrong type, or no form on one line.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, str):
        return one_line(value)
    if isinstance(value, dict) and list(value) == ["literal"]:
        words = value["literal"] if isinstance(value["literal"], list) else [value["literal"]]
        if words and all(isinstance(word, str) for word in words):
            if key.type == "command" or key.repeat == "words":
                return " ".join(map(quoting.argument, words))
            if len(words) == 1:
                return quoting.raw(words[0].replace("$", "$$"))
    hint = "give a string, a number, true or false, or a list of them"
    raise ActivatorError(f"{key.name}=: the value has the wrong type", hint)


def _ports(sockets: Sequence[Socket]) -> Iterator[tuple[int, str]]:
    """Yield the ports that sockets listen on, with the line that says so."""
    for setting in (setting for socket in sockets for setting in socket.settings):
        if setting.name not in kinds.KINDS or not setting.value or "%" in setting.value:
            continue
        try:
            found = address.parse(setting.name, setting.value)
        except ActivatorError:
            continue
        if found.is_ip:
            yield found.port, f"{setting.name}={setting.value}"


def _check_proxy(spec: Spec, container: Container, report: Report) -> None:
    """Check what stands behind a proxy."""
    given = {setting.name: setting for setting in container.settings}
    proxy = spec.proxy
    if proxy is None:
        return
    if proxy.ready == "healthy":
        if "HealthCmd" not in given:
            what = 'ready = "healthy" needs a health check'
            report(ActivatorError(what, 'add HealthCmd = "..." to [container]'), ("ready",))
        if container.podman < values.HEALTHY_SINCE:
            what = f"podman {written(container.podman)} does not tell when a container is healthy"
            report(ActivatorError(what, "it needs podman 5.0 or later"), ("ready",))
    if "Network" in given and not proxy.by_path:
        what = "a backend on a port has a network of its own, which the proxy joins"
        hint = 'remove it, or give it a Unix socket: backend = "/run/NAME/backend.sock"'
        report(ActivatorError(what, hint), given["Network"].path)
    user = given.get("User")
    if proxy.by_path and user and not re.fullmatch(r"[0-9]+", user.value):
        what = f"User={user.value} has no number, by which the proxy would be the same user"
        report(ActivatorError(what, "write its number in the image, as 1000"), user.path)
