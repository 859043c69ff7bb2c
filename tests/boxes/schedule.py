"""Which worker of pytest-xdist runs which test: all tests of one box in the same one."""

from xdist.scheduler import LoadScopeScheduling

from tests.boxes.recipes import SUITES


class BoxScheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Keep the tests of one suite's box together, and spread all others one by one."""

    def _split_scope(self, nodeid: str) -> str:
        """Return what a test is kept together with: its suite, or nothing but itself."""
        _, _, parameters = nodeid.rstrip("]").rpartition("[")
        suites = set(parameters.split("-")) & SUITES.keys()
        return suites.pop() if len(suites) == 1 else nodeid
