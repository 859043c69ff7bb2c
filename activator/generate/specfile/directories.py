"""Sockets must not lie in a directory that goes when the service stops."""

from collections.abc import Iterator

from activator.errors import ActivatorError
from activator.generate.specfile.directives import Report
from activator.generate.specfile.spec import Spec
from activator.unitfile import unquoting

# RuntimeDirectoryPreserve= that keeps the directory whenever the service stops.
_KEPT = {"yes", "true", "on", "1", "y", "t"}


def check(spec: Spec, report: Report) -> None:
    """Note sockets below a RuntimeDirectory= of the service: systemd.exec(5).

    systemd removes it with everything in it when the service stops, and the socket, though
    it goes on listening, can be reached by nobody.

    Args:
        spec: The spec.
        report: Called with each mistake.
    """
    for directory, hint in _directories(spec):
        for socket in spec.sockets:
            for setting in socket.settings:
                path = _plain(setting.value)
                if setting.name.startswith("Listen") and path.startswith(f"{directory}/"):
                    what = f"{path} would vanish whenever the service stops, with {directory}"
                    report(ActivatorError(what, hint), setting.path)


def _directories(spec: Spec) -> Iterator[tuple[str, str]]:
    """Yield the directories that go with the service, and what to do about sockets there."""
    settings = {
        setting.name: setting.value for setting in spec.settings if setting.section == "Service"
    }
    if settings.get("RuntimeDirectoryPreserve", "").lower() in _KEPT:
        return
    if "runtime" in spec.needs:
        directory = f"/run/{spec.name}"
        yield directory, f"listen at {directory}.sock or leave out the need 'runtime'"
    for name in unquoting.words(settings.get("RuntimeDirectory", "")):
        directory = f"/run/{name.partition(':')[0]}"
        yield directory, f"listen at {directory}.sock, or write RuntimeDirectoryPreserve = true"


def _plain(path: str) -> str:
    """Return a path below /run as systemd sees it."""
    for prefix in ("%t/", "/var/run/"):
        if path.startswith(prefix):
            return f"/run/{path.removeprefix(prefix)}"
    return path
