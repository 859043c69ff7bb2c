"""Install the units of a spec, change them while they run, and remove them again.

What belongs to a name is read from the files themselves (:mod:`activator.ownership`); what
runs is asked of systemd. From both follow the steps, in the order that loses no client or
as few as can be (:mod:`activator.install.plan`); if one fails, all are taken back.
"""

from collections.abc import Callable
from dataclasses import dataclass

from activator.errors import ActivatorError
from activator.install import plan, remove
from activator.install.place import Place, place, writable
from activator.install.run import Runner
from activator.install.situation import Unit, describe, look, refuse
from activator.install.step import Step, Verb
from activator.install.verify import fits_user, verify
from activator.output import written
from activator.render import Renderer
from activator.spec.model import Spec
from activator.spec.target import installed

__all__ = ["Place", "Result", "Step", "Verb", "install", "place", "uninstall"]


@dataclass(frozen=True, slots=True)
class Result:
    """What was done, or would be.

    Attributes:
        name: The spec's name.
        units: The units as they were before.
        steps: The steps, in order; none if all was as it should be.
        notes: What else there is to know, one line each.
    """

    name: str
    units: list[Unit]
    steps: list[Step]
    notes: list[str]


def install(
    spec: Spec,
    where: Place,
    *,
    now: bool = True,
    force: bool = False,
    dry_run: bool = False,
    renderer: Renderer | None = None,
    say: Callable[[Step], None] = lambda _: None,
) -> Result:
    """Install the units of a spec, or bring those that are installed up to date.

    Args:
        spec: What to install.
        where: Where to.
        now: Whether to start, restart and stop units, too.
        force: Whether to replace files that were edited or that we did not write, and to
            pass over what systemd-analyze finds.
        dry_run: Whether to do nothing but return the steps.
        renderer: How to write the units; without it, with the built-in templates.
        say: Called with each step before it is done.

    Raises:
        ActivatorError: It cannot be installed; all is as it was, unless the message says
            otherwise.
    """
    texts = (renderer or Renderer()).render(spec)
    version = installed() if where.live else spec.systemd
    if version < spec.systemd:
        message = f"the spec is for systemd {spec.systemd}, and {version} runs here"
        raise ActivatorError(message, 'say systemd = "installed"', place=spec.source)
    units = look(where, texts)
    refuse(units, force=force)
    steps = plan.steps(units, live=where.live, now=now)
    notes = list(spec.dropped)
    if plan.due(units) and not force:
        if where.user:
            fits_user(texts)
        notes += verify(texts, user=where.user) if where.live else []
    if where.live and not now:
        notes += plan.left(units)
    if steps and not dry_run:
        writable(where.directory)
        Runner(where, units, say, now=now).run(steps)
    return Result(spec.name, units, steps, notes)


def uninstall(
    name: str, where: Place, *, force: bool = False, say: Callable[[Step], None] = lambda _: None
) -> Result:
    """Stop and remove all that was installed from a spec of some name.

    Args:
        name: The spec's name.
        where: Where it was installed.
        force: Whether to remove files that were edited, too.
        say: Called with each step before it is done.

    Raises:
        ActivatorError: Nothing is installed under that name, files were edited, or a step
            failed; the steps before it stay done.
    """
    units = describe(where, written(where.directory, {name}))
    if not units:
        raise remove.missing(where, name)
    refuse(units, force=force)
    writable(where.directory)
    notes = remove.kept(where, units)
    steps = remove.steps(units, live=where.live)
    runner = Runner(where, units, say)
    for step in steps:
        runner.do(step)
    return Result(name, units, steps, notes)
