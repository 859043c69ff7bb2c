"""Which worker of pytest-xdist runs which test: all tests of one box, or one fleet, in the same."""

from xdist.scheduler import LoadScopeScheduling

from tests.boxes.recipes import SUITES

# Their tests share booted hosts.
FLEETS = ("deploy/test_fleet", "deploy/test_rollout")


class BoxScheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Keep the tests of one suite's box together, those of a fleet, and spread all others."""

    def _split_scope(self, nodeid: str) -> str:
        """Return what a test is kept together with: its suite, the fleet, or nothing but itself."""
        if any(name in nodeid for name in FLEETS):
            return "fleet"
        _, _, parameters = nodeid.rstrip("]").rpartition("[")
        suites = set(parameters.split("-")) & SUITES.keys()
        return suites.pop() if len(suites) == 1 else nodeid
