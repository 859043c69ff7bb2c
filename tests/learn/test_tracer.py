"""Commands with strace before them."""

import shutil
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activator.learn import tracer
from activator.unitfile import quoting
from activator.unitfile.unquoting import Command, split_command

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="there is no strace")

BEFORE = "/usr/bin/strace -D -o /run/t"
# A line → the same, traced; {} stands for what is put before.
LINES = {
    "/bin/a b": "{} -- /bin/a b",
    "-/bin/a 'b c' %i $X": "-{} -- /bin/a 'b c' %i $X",
    ":!/bin/a": ":!{} -- /bin/a",
    "/bin/a ; -/bin/b x": "{} -- /bin/a ; -{} -- /bin/b x",
    r"/bin/a \; b": r"{} -- /bin/a \; b",
    '"/opt/my app/run" x': '{} -- "/opt/my app/run" x',
    # No sandbox, and no program of the service's.
    "+/bin/a b": "+/bin/a b",
    "/lib/systemd/systemd-socket-proxyd /run/x": "/lib/systemd/systemd-socket-proxyd /run/x",
    "/usr/bin/activator wait-for /run/x": "/usr/bin/activator wait-for /run/x",
}


@pytest.mark.parametrize("line", LINES)
def test_what_stands_before(line: str) -> None:
    """Prefixes stay in front, and arguments as they were written."""
    assert LINES[line].replace("{}", BEFORE) == tracer.traced(line, BEFORE)


@pytest.mark.parametrize("can", [True, False])
def test_a_name_of_its_own(monkeypatch: pytest.MonkeyPatch, *, can: bool) -> None:
    """The name that a program is called by is strace's to give, or goes."""
    monkeypatch.setattr(tracer, "_names", lambda: can)
    name = " --argv0=sh" if can else ""
    line = tracer.traced("-@/bin/busybox sh -c 'a b' %i", BEFORE)
    assert f"-{BEFORE}{name} -- /bin/busybox -c 'a b' %i" == line


WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1)


@given(st.lists(st.tuples(st.sampled_from(["", "-", ":", "-!"]), st.lists(WORDS)), min_size=1))
def test_any_command(commands: Sequence[tuple[str, list[str]]]) -> None:
    """Whatever its words are, each command has them behind what is put before."""
    lines = [f"{prefixes}{quoting.command(['/bin/a b', *argv])}" for prefixes, argv in commands]
    line = " ; ".join(lines)
    expected = [
        Command(
            each.prefixes, "/usr/bin/strace", (*BEFORE.split(), "--", each.path, *each.argv[1:])
        )
        for each in split_command(line)
    ]
    assert expected == split_command(tracer.traced(line, BEFORE))
