"""``activator learn --verify``: the hardened units with the needs that were learned, on systemd."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from activator.errors import ActivatorError, UsageError

if TYPE_CHECKING:
    from activator.deploy.install import Place
    from activator.generate.specfile import Spec

# A client that waits for what the sandbox has stopped: so many times as long as it took while the
# service was run outside, in seconds, and as much again.
_TIMES, _MORE = 5, 20.0


class Verified(NamedTuple):
    """What came of it.

    Attributes:
        systemd: The version that ran.
        reason: Why the client fails with all needs; empty if it does not.
        spare: What was learned, and without all of which it succeeds, too.
    """

    systemd: int
    reason: str
    spare: tuple[str, ...]


def check(spec: "Spec") -> "Place":
    """Return where the units of a spec are to be installed for a while.

    Raises:
        UsageError: The spec has nothing to be verified.
        ActivatorError: No systemd runs here, it is another user's, or the units are in use.
    """
    from activator.deploy.install import install, place
    from activator.deploy.install.place import writable
    from activator.output.plan import written

    if spec.hardening == "none":
        hint = 'have the spec name a profile: hardening = "strict"'
        raise UsageError('hardening = "none" leaves nothing to verify', hint)
    where = place()
    writable(where.directory)
    if any(written(where.directory, {spec.name})):
        hint = (
            f"run it where {spec.name} is not installed, or first: activator uninstall {spec.name}"
        )
        raise ActivatorError(f"{spec.name} is installed, and --verify would replace it", hint)
    install(spec, where, dry_run=True)  # which refuses names that are taken
    return where


def verify(
    spec: "Spec",
    where: "Place",
    needs: Iterable[str],
    client: Sequence[str],
    seconds: float,
    *,
    say: Callable[[str], object] = lambda _: None,
) -> Verified:
    """Install a spec's units for a while, and have the client use them, with fewer and fewer needs.

    Whatever ends it, but SIGKILL, they are uninstalled.

    Args:
        spec: The spec.
        where: What :func:`check` has returned.
        needs: What was learned.
        client: The command; its standard input is empty.
        seconds: How long it took outside the sandbox.
        say: Told what is tried.

    Raises:
        ActivatorError: The units cannot be installed.
        KeyboardInterrupt: SIGINT, SIGTERM or SIGHUP came.
    """
    from activator.deploy.install.interruption import Interruption

    learned = tuple(needs)
    kept = tuple(dict.fromkeys([*spec.needs, *learned]))
    patience = _TIMES * seconds + _MORE
    spare = []
    with Interruption():
        say(f"with {', '.join(kept) or 'no need'}")
        reason = _tried(spec._replace(needs=kept), where, client, patience)
        for need in learned if not reason else ():
            say(f"without {need}")
            rest = tuple(one for one in kept if one != need)
            if not _tried(spec._replace(needs=rest), where, client, patience):
                spare.append(need)
                kept = rest
    return Verified(where.manager.version(), reason, tuple(spare))


def _tried(spec: "Spec", where: "Place", client: Sequence[str], patience: float) -> str:
    """Return why the client fails while the units are installed; empty if it does not."""
    from activator.deploy.install import install, uninstall
    from activator.learn.undisturbed import undisturbed
    from activator.output.plan import written

    try:
        install(spec, where)
        status = _status(client, patience)
        return f"the client {status}{_found(spec, where)}" if status else ""
    finally:
        with undisturbed():
            if any(written(where.directory, {spec.name})):
                uninstall(spec.name, where)


def _status(client: Sequence[str], patience: float) -> str:
    """Run the client, in a session of its own, to its end; return how it failed, if it did."""
    null = subprocess.DEVNULL
    process = subprocess.Popen(list(client), stdin=null, stdout=null, start_new_session=True)
    try:
        status = process.wait(patience)
    except subprocess.TimeoutExpired:
        return "got no answer in time"
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return f"failed with status {status}" if status else ""


def _found(spec: "Spec", where: "Place") -> str:
    """Return what doctor says, to go behind a sentence."""
    from activator.generate.render import units
    from activator.live.doctor import diagnose
    from activator.live.units import Situation

    names = [unit.name for unit in units(spec) if unit.name.endswith(".socket")]
    with suppress(ActivatorError):
        for finding in diagnose(Situation(where.manager, names)):
            return f": {finding.message} ({finding.evidence[-1]})"
    return ""
