"""How many descriptors this process may have, which is also what its children may.

A process that is started by fork sets its limits itself. One that is started with
posix_spawn(3) has ours, so while there are few descriptors here ours is that of services.
"""

import resource

from activator.local.units.resource_limits import DEFAULT_LIMITS

_SOFT, _HARD = map(int, DEFAULT_LIMITS["LimitNOFILE"])
# Descriptors are numbered from below, so that one says how many there are.
_MANY, _FEW = 600, 300


class DescriptorLimit:
    """The limit of this process.

    Attributes:
        as_services: Whether it is now what a service gets that does not set LimitNOFILE=.
    """

    def __init__(self) -> None:
        self.as_services = False
        self._ample = False
        self._ours = resource.getrlimit(resource.RLIMIT_NOFILE)

    def look(self, descriptor: int) -> None:
        """See to it that there is room behind a new descriptor, as far as we may."""
        if descriptor >= _MANY and not self._ample:
            self._ample, self.as_services = True, False
            _set(self._ours[1], self._ours[1])

    def suits(self, descriptor: int) -> bool:
        """Tell whether children have the limit of services now; there is a new descriptor."""
        self.look(descriptor)
        if descriptor < _FEW and not self.as_services:
            self._ample, self.as_services = False, True
            _set(_SOFT, _HARD)
        return self.as_services

    def restore(self) -> None:
        """Put it back to what it was."""
        if self.as_services or self._ample:
            self.as_services = self._ample = False
            _set(*self._ours)


def _set(soft: int, hard: int) -> None:
    """Set the limit, or what comes nearest to it: only root may have more than it has."""
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    except (ValueError, PermissionError):
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, most), min(hard, most)))
