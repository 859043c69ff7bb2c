"""How the line that reports a worker's end is told from the worker's own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activator.common.worker_end import RELOAD_FAILED, last_word, report

CAUSE = "shop.py:7: cannot load shop: KeyError: 'STATE_DIRECTORY'"
FAILED = report(2242, "status 1")
KILLED = f"{report(2242, 'signal 9')} before it was ready"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], ""),
        ([CAUSE], CAUSE),
        ([CAUSE, f"{FAILED} before it was ready"], CAUSE),
        ([CAUSE, f"{RELOAD_FAILED}{FAILED} before it was ready", f"{FAILED}; see the log"], CAUSE),
        ([f"{FAILED} before it was ready", CAUSE], CAUSE),
        # Where the worker said nothing, the report is all that there is.
        ([f"{FAILED} before it was ready"], f"{FAILED} before it was ready"),
        # Who is killed cannot say so.
        (["loading", KILLED], KILLED),
        ([CAUSE, "reload failed: no worker is ready"], "reload failed: no worker is ready"),
        ([CAUSE, "worker x ended with status 1"], "worker x ended with status 1"),
        ([CAUSE, "worker 7 ended with status quo"], "worker 7 ended with status quo"),
    ],
)
def test_last_word(lines: list[str], expected: str) -> None:
    """A report counts only where it tells more than what its worker said."""
    assert expected == last_word(lines)


@given(st.integers(1, 2**22), st.integers(0, 255), st.text())
def test_reports_are_known(pid: int, status: int, more: str) -> None:
    """Whatever follows, a report of an exit status is one."""
    for before in ("", RELOAD_FAILED):
        assert CAUSE == last_word([CAUSE, f"{before}{report(pid, f'status {status}')}{more}"])
