"""Check what a spec makes: findings point to the line of the spec that asked for it."""

from collections.abc import Iterator

from activator.check.units import Finding, Problem, World
from activator.check.world import Texts
from activator.common.regular_file import contents
from activator.errors import ActivatorError, Problems
from activator.generate import specfile as specs
from activator.generate.render import Renderer
from activator.generate.specfile.spec import Setting, Spec
from activator.unitfile.parse import Entry


def wrong_spec(world: World) -> Iterator[Problem]:
    """Find mistakes in a spec: no units can be made of it.

    Bad::

        # echo.toml
        name = "echo"
        [sockets.echo]
        ListenStream = 7777

    Good::

        # echo.toml
        name = "echo"
        exec = "/usr/bin/echo-server"
        [sockets.echo]
        ListenStream = 7777
    """
    for failure in world.failures:
        file, _, line = failure.place.rpartition(":")
        place = (file, int(line)) if line.isdigit() else (failure.place, 1)
        yield Problem(failure.message, failure.hint, place=place)


class Made(Texts):
    """The units of a spec.

    Args:
        path: The spec.
        version: The version of systemd instead of the spec's own; 0 for that.
    """

    def __init__(self, path: str, version: int) -> None:
        self.path = path
        self._spec: Spec | None = None
        self._settings: dict[tuple[str, str, str], Setting] = {}
        texts: dict[str, str] = {}
        try:
            self._spec = specs.load(path, systemd=version or None)
            texts = Renderer().render(self._spec)
        except ActivatorError as error:
            failures = error.problems if isinstance(error, Problems) else [error]
            super().__init__({}, version)
            self.failures = [failure.at(path) for failure in failures]
            return
        podman = self._spec.container.podman if self._spec.container else None
        super().__init__(texts, self._spec.systemd, podman)
        self.comments = [contents(path)[0].decode()]
        for setting in self._all(self._spec):
            self._settings.setdefault(setting[:3], setting)

    @staticmethod
    def _all(spec: Spec) -> list[Setting]:
        """Return every directive that the spec itself gives."""
        found = [*spec.settings, *(spec.container.settings if spec.container else ())]
        for socket in spec.sockets:
            found += socket.settings
        return found

    def shown(self, finding: Finding, entry: Entry | None) -> Finding:
        """Return a finding at the line of the spec that asked for what it is about."""
        if self._spec is None:
            return finding
        setting = self._settings.get(entry[:3]) if entry is not None else None
        place = self._spec.place(setting.path if setting is not None else ())
        line = place.rpartition(":")[2]
        return finding._replace(
            file=self.path,
            line=int(line) if line.isdigit() else 1,
            column=1,
            message=f"{finding.file}: {finding.message}",
        )
