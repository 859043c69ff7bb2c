"""Make all pictures of docs/ anew, or some: ``python -m tests.pictures [NAME]...``."""

import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from tests.boxes.box import Box
from tests.boxes.needs import missing_for_boxes
from tests.boxes.recipes import BOX
from tests.boxes.roots import ensure_root
from tests.pictures import graphs
from tests.pictures.drawing import THEMES, draw
from tests.pictures.making import SUITE, played, played_in
from tests.pictures.scenes import PICTURES, Scene, scenes
from tests.support.dist import build_sdist, build_wheel


def main(names: list[str]) -> int:
    """Make them, and say which; return 1 if some could not be made, 2 for an unknown name."""
    known = {scene.name: scene for scene in scenes()}
    if unknown := sorted(set(names) - {*known, graphs.NAME}):
        there = ", ".join([*known, graphs.NAME])
        sys.stderr.write(f"no picture {unknown[0]!r}; there are {there}\n")
        return 2
    chosen = [scene for name, scene in known.items() if name in names or not names]
    PICTURES.mkdir(exist_ok=True)
    if graphs.NAME in names or not names:
        graphs.write(list(THEMES))
        sys.stdout.write(f"{graphs.NAME}\n")
    _make([scene for scene in chosen if not scene.box], played)
    booted = [scene for scene in chosen if scene.box]
    if booted and (missing := missing_for_boxes()):
        left = ", ".join(scene.name for scene in booted)
        sys.stderr.write(f"left as they are, since they need a booted systemd: {left}; {missing}\n")
        return 1
    if booted:
        with ExitStack() as stack:
            box = _boot(stack)
            _make(booted, lambda scene: played_in(box, scene))
    return 0


def _boot(stack: ExitStack) -> Box:
    """Return a box with the project installed, as the fixture ``box`` has it."""
    scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    build_sdist(scratch / "sdist")
    (sdist,) = (scratch / "sdist").iterdir()
    build_wheel(sdist, scratch / "wheel")
    (wheel,) = (scratch / "wheel").iterdir()
    box = stack.enter_context(Box(SUITE, ensure_root(SUITE, BOX)))
    box.write(f"/root/{wheel.name}", wheel.read_bytes())
    box.run(box.python, "-m", "installer", f"/root/{wheel.name}")
    return box


def _make(chosen: list[Scene], play: Callable[[Scene], str]) -> None:
    for scene in chosen:
        written = play(scene)
        for theme in THEMES:
            scene.path(theme).write_text(draw(scene, written, theme), encoding="utf-8")
        sys.stdout.write(f"{scene.name}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
