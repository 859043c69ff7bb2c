"""From addresses and a command line to unit texts, so that what has no unit file runs as if it had.

The same that systemd-socket-activate(1) is asked for: addresses, one command, one mode.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from activator.errors import ActivatorError, UsageError
from activator.unitfile import quoting
from activator.unitfile.address import parse
from activator.unitfile.kinds import DIRECTIVES
from activator.unitfile.unquoting import PREFIXES

# What the units are called in messages.
ORIGIN = "the command line"
# systemd's own limit is 64, and systemd-socket-activate has none.
MOST_CONNECTIONS = 4096


def units(
    addresses: Sequence[str],
    argv: Sequence[str],
    *,
    kinds: Sequence[str] = (),
    names: Sequence[str] = (),
    accept: bool = False,
    inetd: bool = False,
) -> dict[str, tuple[str, str]]:
    """Return the units that serve some addresses with a command.

    Args:
        addresses: What to listen on, as in ListenStream=.
        argv: The program, looked for in PATH if it is a mere name, and its arguments.
        kinds: The type of each: ``stream``, ``datagram`` or ``seqpacket``; streams if empty.
        names: The descriptors' names, one for all addresses or one for each.
        accept: Whether each connection gets a process of its own.
        inetd: Whether the socket becomes standard input and output.

    Returns:
        Unit name → its text and what to call it in messages.

    Raises:
        UsageError: The parts do not go together.
        ActivatorError: An address or the command is wrong.
    """
    kinds = kinds or ["stream"] * len(addresses)
    _check(addresses, kinds, names, accept=accept, inetd=inetd)
    stem = _stem(argv[0])
    texts = {f"{stem}{'@' * accept}.service": _service(argv, inetd=inetd)}
    # A unit has one name for all its descriptors.
    groups: dict[str, list[str]] = {}
    every = [*(names or [""])] * len(addresses)
    for kind, address, name in zip(kinds, addresses, every, strict=False):
        groups.setdefault(name, []).append(f"{DIRECTIVES[kind]}={_address(address)}")
    # With Accept=yes the template is found by the socket's name up to the @.
    numbered = f"{stem}@{{}}.socket" if accept else f"{stem}-{{}}.socket"
    for number, (name, group) in enumerate(groups.items(), 1):
        unit = f"{stem}.socket" if len(groups) == 1 else numbered.format(number)
        lines = ["[Socket]", *group]
        lines += [f"FileDescriptorName={quoting.raw(name, 'the name')}"] * bool(name)
        if accept:
            lines += ["Accept=yes", f"MaxConnections={MOST_CONNECTIONS}", "TriggerLimitBurst=0"]
        else:
            lines += [f"Service={stem}.service"]
        texts[unit] = "\n".join([*lines, ""])
    return {name: (text, ORIGIN) for name, text in texts.items()}


def _check(
    addresses: Sequence[str],
    kinds: Sequence[str],
    names: Sequence[str],
    *,
    accept: bool,
    inetd: bool,
) -> None:
    """Refuse what does not go together, and what is no address."""
    if accept and "datagram" in kinds:
        raise UsageError("datagrams are not accepted", "leave out --accept", place="--datagram")
    if inetd and not accept and len(addresses) > 1:
        what = f"standard input can be one socket, not {len(addresses)}"
        raise UsageError(what, "give one -l, or --accept", place="--inetd")
    if len(names) > 1 and len(names) != len(addresses):
        what = f"{len(names)} names for {len(addresses)} addresses"
        raise UsageError(what, "give one name for all, or one for each -l", place="--fd-name")
    for kind, address in zip(kinds, addresses, strict=True):
        try:
            quoting.raw(address, "the address")
            parse(DIRECTIVES[kind], _absolute(address))
        except ActivatorError as error:
            error.hint = _hint(address, error.hint)
            raise error.at("--listen")  # noqa: B904 - the same error, with its place


def _hint(text: str, hint: str) -> str:
    """Return what to do about what is no address: it may have been meant as a relative path."""
    plain = text.isprintable() and any(map(str.isalpha, text))
    if text.startswith(("/", "@")) or ":" in text or not plain:
        return hint
    return f"write ./{text}, or begin with /" if "/" in text else f"{hint}, or ./{text} for a path"


def _service(argv: Sequence[str], *, inetd: bool) -> str:
    """Return the service's text."""
    program = argv[0]
    if "/" in program or program[:1] in PREFIXES:
        program = str(Path(program).absolute())
    directory = quoting.raw(str(Path.cwd()), "the current directory")
    lines = [
        "[Service]",
        f"ExecStart={quoting.command([program, *argv[1:]])}",
        f"WorkingDirectory={directory}",
    ]
    if inetd:
        lines += ["StandardInput=socket", "StandardError=journal"]
    return "\n".join([*lines, ""])


def _stem(program: str) -> str:
    """Return a unit's name, without suffix, for a program."""
    name = "".join(c if c.isascii() and (c.isalnum() or c in "._") else "_" for c in _base(program))
    return name.strip(".") or "command"


def _base(program: str) -> str:
    """Return the last part of a program's path, without a script's suffix."""
    return Path(os.path.basename(program)).stem  # noqa: PTH119 - of any text


def _address(text: str) -> str:
    """Return an address as a unit says it; a path may be relative here."""
    return quoting.raw(_absolute(text), "the address")


def _absolute(text: str) -> str:
    """Return an address whose path, if it is one, is absolute."""
    return os.path.abspath(text) if text.startswith(("./", "../")) else text  # noqa: PTH100
