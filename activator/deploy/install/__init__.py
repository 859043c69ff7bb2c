"""Install the units of a spec, change them while they run, and remove them again.

What belongs to a name is read from the files themselves (:mod:`activator.output.seal`); what
runs is asked of systemd. From both follow the steps, in the order that loses no client or
as few as can be (:mod:`activator.deploy.install.plan`); if one fails, all are taken back.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from activator.deploy.install import data, plan, quadlet, remove
from activator.deploy.install.place import Place, may_write, place, writable
from activator.deploy.install.plan import Again
from activator.deploy.install.run import Runner
from activator.deploy.install.situation import Unit, after, describe, installed, look, refuse
from activator.deploy.install.step import Step, Verb
from activator.deploy.install.verify import fits_user, verify
from activator.errors import ActivatorError
from activator.generate.render import Renderer
from activator.generate.specfile.spec import Spec
from activator.live.unfinished import Record, Unfinished, recorded, unfinished
from activator.output.atomic import tidy
from activator.unitfile.quadlet import kind_of

__all__ = ["Again", "Place", "Result", "Step", "Unit", "Verb", "install", "place", "uninstall"]


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
    services: Again = Again.NOTHING,
    renderer: Renderer | None = None,
    say: Callable[[Step], None] = lambda _: None,
    again: str = "",
) -> Result:
    """Install the units of a spec, or bring those that are installed up to date.

    Args:
        spec: What to install.
        where: Where to.
        now: Whether to start, restart and stop units, too.
        force: Whether to replace files that were edited or that we did not write, and to
            pass over what systemd-analyze finds.
        dry_run: Whether to do nothing but return the steps.
        services: What is done to services that run, though their units are as they should be.
        renderer: How to write the units; without it, with the built-in templates.
        say: Called with each step before it is done.
        again: What does the same, as a line of the shell: for doctor, should this be killed.

    Raises:
        ActivatorError: It cannot be installed; all is as it was, unless the message says
            otherwise.
    """
    spec = spec._replace(user=where.user)
    texts = (renderer or Renderer()).render(spec)
    version = where.manager.version() if where.live else spec.systemd
    if version < spec.systemd:
        message = f"the spec is for systemd {spec.systemd}, and {version} runs here"
        raise ActivatorError(message, "have it name that, or none", place=spec.source)
    with _recorded(spec.name, where, dry_run=dry_run) as record:
        units = look(where, texts)
        left = record.left if record else _left(spec.name, where)
        if left:
            units = after(units, left)
        refuse(units, force=force)
        steps = plan.steps(units, live=where.live, now=now, again=services)
        if left and now:
            steps += plan.resumed(units, left.ran)
        notes = list(spec.notes)
        if plan.due(units) and not force:
            if where.user:
                fits_user(texts)
            notes += _verified(spec, texts, user=where.user) if where.live else []
        if where.live and not now:
            notes += plan.left(units)
        if not dry_run:
            _tidy(where)
        if steps and not dry_run:
            _writable(where, units)
            what = _unfinished(spec.name, units, again, left)
            Runner(where, units, say, record, now=now).run(steps, what)
        return Result(spec.name, units, steps, notes)


def uninstall(
    name: str,
    where: Place,
    *,
    force: bool = False,
    dry_run: bool = False,
    if_installed: bool = False,
    say: Callable[[Step], None] = lambda _: None,
    again: str = "",
) -> Result:
    """Stop and remove all that was installed from a spec of some name.

    Args:
        name: The spec's name.
        where: Where it was installed.
        force: Whether to remove files that were edited, too.
        dry_run: Whether to do nothing but return the steps.
        if_installed: Whether a name of which nothing is installed is no error.
        say: Called with each step before it is done.
        again: What does the same, as a line of the shell: for doctor, should this be killed.

    Raises:
        ActivatorError: Nothing is installed under that name, files were edited, or a step
            failed; all is as it was, unless the message says otherwise.
    """
    with _recorded(name, where, dry_run=dry_run) as record:
        units = describe(where, installed(where, name))
        left = record.left if record else _left(name, where)
        if not units and not left:
            if if_installed and not remove.foreign(where, name):
                return Result(name, [], [], [])
            raise remove.missing(where, name)
        refuse(units, force=force)
        notes = [*remove.kept(where, units), *data.left(where, units, before=dry_run)]
        steps = remove.steps(units, live=where.live, left=left.units if left else ())
        if not dry_run:
            _writable(where, units)
            _tidy(where)
            what = _unfinished(name, units, again, left)
            Runner(where, units, say, record).run(steps, what)
        return Result(name, units, steps, notes)


def _verified(spec: Spec, texts: Mapping[str, str], *, user: bool) -> list[str]:
    """Return what systemd, and podman for a container, remark on units.

    Raises:
        ActivatorError: One of them refuses a unit, or the container cannot run here.
    """
    if spec.container is None:
        return verify(texts, user=user)
    quadlet.check(spec.container)
    files = {name: text for name, text in texts.items() if kind_of(name)}
    made, said = quadlet.services(files, user=user)
    units = {name: text for name, text in texts.items() if name not in files}
    return said + verify(units | made, user=user)


def _writable(where: Place, units: list[Unit]) -> None:
    """Raise if the files of units cannot be written.

    Raises:
        ActivatorError: The calling user may not.
    """
    writable(where.directory)
    if any(unit.container for unit in units):
        writable(where.containers)


def _tidy(where: Place) -> None:
    """Remove what installations that were killed have left half-done."""
    tidy(where.directory)
    tidy(where.containers)


def _recorded(
    name: str, where: Place, *, dry_run: bool = False
) -> AbstractContextManager[Record | None]:
    """Return what keeps others from the units of a name in its body, where units run."""
    # No unit has such a name, and a file neither.
    named = name and "/" not in name
    if not where.live or dry_run or not named or not may_write(where.directory):
        return nullcontext()
    return recorded(name, user=where.user)


def _left(name: str, where: Place) -> Unfinished | None:
    """Return what an installation of a name was about that did not come to its end."""
    found = unfinished(user=where.user) if where.live else ()
    return next((one for _, one in found if one.name == name), None)


def _unfinished(name: str, units: list[Unit], again: str, left: Unfinished | None) -> Unfinished:
    """Return what is written down before the first step."""
    before = left.ran if left else ()
    ran = dict.fromkeys([*before, *(unit.name for unit in units if unit.state.up)])
    names = dict.fromkeys([*(left.units if left else ()), *(unit.name for unit in units)])
    return Unfinished(name, again, tuple(names), tuple(ran))
