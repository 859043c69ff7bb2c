"""Where a scene is played: a folder with the shop's files, here or in a box."""

import os
import random
import re
import socket
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from subprocess import Popen
from typing import Any

from tests.boxes.box import ENVIRONMENT, Box
from tests.pictures.scenes import FILES, PORT, Scene
from tests.pictures.terminal import Start, Terminal

# Where it seems to happen; the specs and units name it.
PLACE = "/srv/shop"
# The Debian suite of the boxes that are shown.
SUITE = "trixie"


def played(scene: Scene) -> str:
    """Return what is written on this machine, without what is this machine's own.

    Raises:
        AssertionError: Something else happened.
    """
    # What only stands in files is left as it is, so that what is made of it is the same each time.
    port = _free_port() if any(step.line.endswith("&") for step in scene.steps) else PORT
    with tempfile.TemporaryDirectory(prefix="shop-") as folder:
        for name in scene.files:
            content = (FILES / name).read_text(encoding="utf-8")
            (Path(folder) / Path(name).name).write_text(content.replace(PORT, port))
        steps = tuple(step._replace(line=step.line.replace(PORT, port)) for step in scene.steps)
        written = Terminal(scene.columns, _here(folder)).play(steps)
    assert folder not in written
    return scene.neutral(re.sub(rf"\b{port}\b", PORT, written))


def played_in(box: Box, scene: Scene) -> str:
    """Return what is written in a box that has the scene's files, its units among them.

    Raises:
        AssertionError: Something else happened.
    """
    files = {Path(name).name: (FILES / name).read_text(encoding="utf-8") for name in scene.files}
    units = {name: text for name, text in files.items() if name.endswith((".socket", ".service"))}
    try:
        for name in files.keys() - units.keys():
            box.write(f"{PLACE}/{name}", files[name])
        with box.units(units):
            for line in scene.before:
                box.run("sh", "-c", line)
            return scene.neutral(Terminal(scene.columns, _inside(box)).play(scene.steps))
    finally:
        box.run("rm", "-rf", PLACE)


def _free_port() -> str:
    """Return a free port of 127.0.0.1 with four digits, which no client is given as its own."""
    while True:
        port = random.randrange(2000, 10_000)
        try:
            with socket.create_server(("127.0.0.1", port)):
                return str(port)
        except OSError:
            continue


def _here(folder: str) -> Start:
    """Return what starts programs on this machine, in a folder."""
    programs = Path(sys.executable).parent
    own = {"PATH": f"{programs}:{os.environ['PATH']}", "LANG": "C.UTF-8", "HOME": folder}

    def start(*words: str, env: Mapping[str, str], **streams: Any) -> Popen[Any]:
        return Popen(words, cwd=folder, env={**own, **env}, **streams)

    return start


def _inside(box: Box) -> Start:
    """Return what starts programs in a box."""

    def start(*words: str, env: Mapping[str, str], **streams: Any) -> Popen[Any]:
        return box.popen(*words, env={**ENVIRONMENT, **env}, **streams)

    return start
