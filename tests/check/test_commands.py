"""Which program a command line runs in the end."""

import pytest

from activator.check.commands import run_by


@pytest.mark.parametrize(
    "command",
    [
        "/usr/bin/env -u LISTEN_FDS A=1 /usr/bin/prog -x",
        "/usr/bin/env --unset LISTEN_FDS -C /srv prog -x",
        "/usr/bin/env -i -- prog -x",
        "/usr/bin/nice -n 5 /usr/bin/prog -x",
        "/usr/bin/nice --adjustment=5 prog -x",
        "/usr/bin/ionice -c 2 -n 7 prog -x",
        "/usr/bin/chrt --fifo 10 /usr/bin/prog -x",
        "/usr/bin/taskset -c 0-3 prog -x",
        "/usr/bin/taskset 0x3 prog -x",
        "/usr/bin/setpriv --reuid www-data --clear-groups prog -x",
        "/usr/bin/stdbuf -o L prog -x",
        "/usr/bin/nohup env -u A nice prog -x",
        "/usr/bin/python3 -m prog -x",
    ],
)
def test_what_runs_it_is_left_out(command: str) -> None:
    """With its options, and their values in words of their own."""
    assert [("prog", ["-x"])] == list(run_by(command))


@pytest.mark.parametrize("command", ["/usr/bin/env", "/usr/bin/env -u", "/usr/bin/taskset -c 1"])
def test_nothing_is_left(command: str) -> None:
    """A command that runs no program has none."""
    assert [("", [])] == list(run_by(command))
