"""Installations that did not come to their end."""

from collections.abc import Iterator
from datetime import datetime

from activator.live.doctor.finding import Finding
from activator.live.unfinished import unfinished
from activator.live.units import Situation


def half_installed(situation: Situation) -> Iterator[Finding]:
    """It was killed: sockets may be stopped, and files on disk that nobody has read."""
    names = {socket.name for socket in situation.sockets}
    for path, left in unfinished(user=situation.manager.user):
        if situation.asked and not names.intersection(left.units):
            continue
        states = situation.manager.show(left.units)
        down = [state.name for state in states if state.name in left.ran and not state.up]
        begun = datetime.fromtimestamp(left.begun).astimezone()
        yield Finding(
            "half-installed",
            next((name for name in left.units if name.endswith(".socket")), left.name),
            f"an installation or removal of {left.name} was killed before its end",
            (
                f"{path}, begun {begun:%Y-%m-%d %H:%M:%S}",
                *(f"{name} ran before, and does not" for name in down),
            ),
            (left.command or f"# install {left.name} again, or uninstall it",),
        )
