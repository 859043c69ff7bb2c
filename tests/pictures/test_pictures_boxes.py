"""The pictures of what a booted systemd is asked: they show what it says today."""

import pytest

pytest.importorskip("rich")

from tests.boxes.box import Box
from tests.pictures.making import SUITE, played_in
from tests.pictures.scenes import scenes
from tests.pictures.test_pictures import assert_of_today

SCENES = {scene.name: scene for scene in scenes() if scene.box}


@pytest.mark.stress
@pytest.mark.parametrize("name", SCENES)
def test_it_shows_what_happens_today(box: Box, name: str) -> None:
    """What was typed for a picture writes today what the picture shows."""
    if box.suite != SUITE:
        pytest.skip(f"the pictures are of {SUITE}")
    assert_of_today(SCENES[name], played_in(box, SCENES[name]))
