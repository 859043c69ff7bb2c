"""The limit of descriptors of the local activator itself, which some of its children inherit."""

import subprocess
import sys

from tests.support.local import environment

STEPS = """
import resource
from activator.local.services.descriptor_limit import DescriptorLimit
limit = lambda: resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (700, 2000))
room = DescriptorLimit()
room.look(10)
assert limit() == (700, 2000), limit()
assert room.suits(10) and limit()[0] == 1024, limit()  # as services
assert room.suits(500) and limit()[0] == 1024
room.look(650)
assert not room.as_services and limit()[0] == 2000, limit()  # room for more
assert not room.suits(400) and limit()[0] == 2000
assert room.suits(100) and limit()[0] == 1024  # there are few again
room.restore()
assert limit()[0] == 700, limit()
room.restore()
room.look(650)
assert limit() == (2000, limit()[1])  # and where no child asks for it
room.restore()
assert limit()[0] == 700, limit()
"""


def test_room_for_all() -> None:
    """It is that of services while there are few descriptors, and all there is beyond."""
    subprocess.run([sys.executable, "-c", STEPS], env=environment(), check=True)
