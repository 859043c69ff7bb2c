"""The steps of an installation, decided from files and states alone."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from activator.deploy.install import plan, remove, undo
from activator.deploy.install.changes import CLOSING, LIVE, PASSED, Effect, compare
from activator.deploy.install.situation import Unit, refuse
from activator.deploy.install.step import Step, Verb
from activator.errors import ActivatorError
from activator.generate import specfile
from activator.generate.render import render
from activator.live.unit_state import UnitState
from activator.output.plan import File
from activator.unitfile import directives

DIRECTORY = Path("/etc/systemd/system")
SPEC = """\
name = "echo"
handler = "activator.examples.echo:echo"
[sockets.echo]
ListenStream = ["127.0.0.1:7777", "/run/echo.sock"]
"""
NETWORK = SPEC.replace(', "/run/echo.sock"', "")
TWO = """\
name = "echo"
handler = "activator.examples.echo:echo"
[sockets.a]
ListenStream = 80
[sockets.b]
ListenStream = 81
"""
UP, DOWN, FAILED = "active", "inactive", "failed"


def state(name: str, active: str, file: str = "enabled", since: float = 2.0) -> UnitState:
    """Return a state of an installed unit."""
    path = str(DIRECTORY / name)
    return UnitState(name, "loaded", active, "success", file, path, (), since, unread=False)


def situation(before: str, after: str, **active: str) -> list[Unit]:
    """Return the units of two versions of a spec; the old ones are installed.

    Args:
        before: The old spec; empty if there is none.
        after: The new spec.
        active: ActiveState= of the units, by ``name_kind``.
    """
    old = render(specfile.loads(before)) if before else {}
    new = render(specfile.loads(after)) if after else {}
    found = []
    for name in dict.fromkeys([*new, *old]):
        kind = "file" if name in old else "missing"
        file = File(DIRECTORY / name, old.get(name), new.get(name), kind, 10**9 if old else 0)
        installs = name in old and name.endswith(".socket")
        given = active.get(name.replace(".", "_").replace("-", "_"), DOWN)
        found.append(Unit(file, state(name, given, "enabled" if installs else "static")))
    return found


def told(
    units: list[Unit],
    *,
    live: bool = True,
    now: bool = True,
    again: plan.Again = plan.Again.NOTHING,
) -> list[str]:
    """Return the steps in words, without their reasons and the directory."""
    steps = plan.steps(units, live=live, now=now, again=again)
    return [str(replace(step, why="")).replace(f"{DIRECTORY}/", "") for step in steps]


def set_in(text: str, table: str, line: str) -> str:
    """Return a spec with one more line in the socket or the service."""
    return text + (line if table == "socket" else f"[{table}]\n{line}")


def test_first_installation_starts_the_socket_alone() -> None:
    """Clients start the service."""
    assert [
        "write echo.socket",
        "write echo.service",
        "enable echo.socket",
        "daemon-reload",
        "start echo.socket",
    ] == told(situation("", SPEC))


def test_nothing_to_do() -> None:
    """What is as it should be is left alone."""
    assert [] == told(situation(SPEC, SPEC, echo_socket=UP, echo_service=UP))


def test_changed_service_is_restarted_behind_its_socket() -> None:
    """The socket is not touched."""
    units = situation(SPEC, set_in(SPEC, "service", "Nice = 3"), echo_socket=UP, echo_service=UP)
    assert ["write echo.service", "daemon-reload", "try-restart echo.service"] == told(units)


@pytest.mark.parametrize("again", [plan.Again.RESTART, plan.Again.RELOAD])
def test_new_code_restarts_what_runs(again: plan.Again) -> None:
    """Only the service, and only if it runs; the socket stays open."""
    units = situation(SPEC, SPEC, echo_socket=UP, echo_service=UP)
    assert ["try-restart echo.service"] == told(units, again=again)
    assert [] == told(situation(SPEC, SPEC, echo_socket=UP), again=again)


def test_new_code_is_reloaded_by_the_service_itself() -> None:
    """A reload is asked for by name; what has changed in the unit needs the restart."""
    spec = SPEC + "[service]\nExecReload = 'activator reload $MAINPID'\n"
    units = situation(spec, spec, echo_socket=UP, echo_service=UP)
    assert ["try-reload-or-restart echo.service"] == told(units, again=plan.Again.RELOAD)
    assert ["try-restart echo.service"] == told(units, again=plan.Again.RESTART)
    units = situation(spec, spec + "Nice = 3\n", echo_socket=UP, echo_service=UP)
    (*_, last) = told(units, again=plan.Again.RELOAD)
    assert "try-restart echo.service" == last


def test_a_reload_that_is_refused_is_not_followed_by_a_restart() -> None:
    """The old code goes on in the processes that are there; a restart would load the new one."""
    units = situation(SPEC, SPEC, echo_socket=UP, echo_service=UP)
    done = [Step(Verb.TRY_RELOAD, ("echo.service",))]
    assert ["daemon-reload"] == [step.verb for step in undo.steps(units, done, live=True)]


def test_service_that_does_not_run_is_not_started() -> None:
    """The next client starts the new version."""
    units = situation(SPEC, set_in(SPEC, "service", "Nice = 3"), echo_socket=UP)
    assert ["write echo.service", "daemon-reload"] == told(units)


@pytest.mark.parametrize(
    ("table", "line"),
    [
        ("unit", "Documentation = 'man:echo(1)'"),
        ("service", "Restart = 'always'"),
        ("service", "TimeoutStopSec = 90"),
        ("socket", "TriggerLimitBurst = 99"),
    ],
)
def test_what_systemd_looks_up_itself_restarts_nothing(table: str, line: str) -> None:
    """A daemon-reload is enough."""
    units = situation(SPEC, set_in(SPEC, table, line), echo_socket=UP, echo_service=UP)
    (write, reload) = told(units)
    assert write.startswith("write echo.")
    assert "daemon-reload" == reload


def test_comments_restart_nothing() -> None:
    """Only the entries count."""
    units = situation(SPEC, SPEC, echo_socket=UP, echo_service=UP)
    changed = []
    for unit in units:
        before = f"# old\n{unit.file.before}"
        file = File(unit.file.path, before, unit.file.after, "file", unit.file.modified)
        changed.append(Unit(file, unit.state))
    assert ["write echo.socket", "write echo.service", "daemon-reload"] == told(changed)
    assert "comments only" == plan.steps(changed, live=True, now=True)[0].why


def test_changed_socket_is_made_anew_in_one_command() -> None:
    """What the socket was made with needs a new one; its service goes with it."""
    after = SPEC + "Backlog = 9"
    assert [
        "write echo.socket",
        "daemon-reload",
        "restart echo.socket echo.service",
    ] == told(situation(SPEC, after, echo_socket=UP, echo_service=UP))
    assert "restart echo.socket" == told(situation(SPEC, after, echo_socket=UP))[-1]


def test_network_address_is_given_up_in_place() -> None:
    """A network address leaves nothing behind."""
    units = situation(NETWORK, NETWORK.replace("7777", "7778"), echo_socket=UP)
    assert ["write echo.socket", "daemon-reload", "restart echo.socket"] == told(units)


def test_path_is_given_up_by_the_unit_that_made_it() -> None:
    """The old unit closes the socket and removes its node, before the daemon-reload."""
    units = situation(SPEC, NETWORK, echo_socket=UP, echo_service=UP)
    assert [
        "write echo.socket",
        "stop echo.socket echo.service",
        "daemon-reload",
        "start echo.socket",
        "start echo.service",
    ] == told(units)


def test_new_name_of_the_descriptors_restarts_the_service_alone() -> None:
    """Names are passed when the service starts."""
    after = SPEC.replace("sockets.echo", "sockets.in")
    units = situation(SPEC, after, echo_socket=UP, echo_service=UP)
    assert ["write echo.socket", "daemon-reload", "try-restart echo.service"] == told(units)


def test_change_of_mode_removes_the_other_service() -> None:
    """The service of the other mode is stopped with the socket, and removed."""
    each = 'mode = "per-connection"\n' + SPEC
    assert [
        "write echo.socket",
        "write echo@.service",
        "stop echo.socket echo.service",
        "disable echo.service",
        "remove echo.service",
        "daemon-reload",
        "start echo.socket",
    ] == told(situation(SPEC, each, echo_socket=UP, echo_service=UP))
    assert [
        "write echo.socket",
        "write echo.service",
        "stop echo.socket",
        "remove echo@.service",
        "daemon-reload",
        "start echo.socket",
    ] == told(situation(each, SPEC, echo_socket=UP))


def test_template_is_read_for_the_next_connection() -> None:
    """Running instances end with their connections."""
    each = 'mode = "per-connection"\n' + SPEC
    units = situation(each, set_in(each, "service", "Nice = 3"), echo_socket=UP)
    assert ["write echo@.service", "daemon-reload"] == told(units)


def test_second_socket_renames_the_first() -> None:
    """The old socket gives its address up before the new ones start."""
    units = situation(NETWORK, TWO, echo_socket=UP, echo_service=UP)
    assert [
        "write echo-a.socket",
        "write echo-b.socket",
        "write echo.service",
        "enable echo-a.socket",
        "enable echo-b.socket",
        "stop echo.socket echo.service",
        "disable echo.socket",
        "remove echo.socket",
        "daemon-reload",
        "start echo-a.socket echo-b.socket",
        "start echo.service",
    ] == told(units)


def test_two_sockets_may_swap_their_addresses() -> None:
    """Both are closed before one is opened."""
    after = TWO.replace("80", "0").replace("81", "80").replace("= 0", "= 81")
    units = situation(TWO, after, echo_a_socket=UP, echo_b_socket=UP)
    assert [
        "write echo-a.socket",
        "write echo-b.socket",
        "stop echo-a.socket echo-b.socket",
        "daemon-reload",
        "start echo-a.socket echo-b.socket",
    ] == told(units)


def test_one_of_two_sockets_is_down_while_the_service_runs() -> None:
    """A socket does not start while its service runs, so both go in one command."""
    units = situation(TWO, TWO, echo_a_socket=UP, echo_b_socket=DOWN, echo_service=UP)
    assert ["restart echo-b.socket echo.service"] == told(units)


def test_failed_units_get_another_chance() -> None:
    """A socket that met its limit listens again."""
    units = situation(SPEC, SPEC, echo_socket=FAILED, echo_service=FAILED)
    assert ["reset-failed echo.socket echo.service", "start echo.socket"] == told(units)


def test_units_that_run_by_an_older_file_are_brought_up_to_date() -> None:
    """As after --no-now, or when files were written by other means."""
    units = [
        Unit(unit.file, replace(unit.state, since=0.5))
        for unit in situation(SPEC, SPEC, echo_socket=UP, echo_service=UP)
    ]
    assert [
        "stop echo.socket echo.service",
        "daemon-reload",
        "start echo.socket",
        "start echo.service",
    ] == told(units)


def test_unread_files_are_read() -> None:
    """A daemon-reload that was left out is made up for."""
    units = [
        Unit(unit.file, replace(unit.state, unread=True))
        for unit in situation(SPEC, SPEC, echo_socket=UP)
    ]
    assert ["daemon-reload"] == told(units)


def test_no_now_leaves_running_units_alone() -> None:
    """Nothing is stopped, and nothing is reloaded that would close a socket."""
    assert [
        "write echo.socket",
        "write echo.service",
        "enable echo.socket",
        "daemon-reload",
    ] == told(situation("", SPEC), now=False)
    units = situation(SPEC, NETWORK, echo_socket=UP, echo_service=UP)
    assert ["write echo.socket"] == told(units, now=False)
    assert [
        "echo.socket runs as before until you install with --now",
        "echo.service runs as before until you install with --now",
    ] == plan.left(units)
    units = situation(SPEC, 'mode = "per-connection"\n' + SPEC)
    assert ["echo.service is left until you install with --now"] == plan.left(units)


def test_other_root_is_files_alone() -> None:
    """No manager is told anything."""
    units = situation(SPEC, 'mode = "per-connection"\n' + SPEC)
    assert [
        "write echo.socket",
        "write echo@.service",
        "disable echo.service",
        "remove echo.service",
    ] == told(units, live=False)


def test_install_section() -> None:
    """Links are made anew when what they follow changes."""
    after = SPEC + "[sockets.echo.install]\nWantedBy = 'a.target'"
    assert [
        "write echo.socket",
        "reenable echo.socket",
        "daemon-reload",
    ] == told(situation(SPEC, after, echo_socket=UP))


def test_removal_stops_sockets_first() -> None:
    """Then services with the instances of templates; files and memories go last."""
    text = TWO + 'mode = "per-connection"\n'
    units = situation(text, "", echo_a_socket=UP, echo_socket=UP, echo_service=UP)
    steps = [str(replace(step, why="")) for step in remove.steps(units, live=True)]
    files = [str(DIRECTORY / unit.name) for unit in units]
    assert [
        "stop echo-a.socket echo.socket",
        "stop echo.service echo@*.service",
        "disable echo-a.socket echo.socket",
        *(f"remove {path}" for path in files),
        "daemon-reload",
        "reset-failed echo-a.socket echo.socket echo.service echo@*.service",
    ] == steps


def back(units: list[Unit], count: int) -> list[str]:
    """Return the steps that take the first few steps back."""
    done = plan.steps(units, live=True, now=True)[:count]
    return [
        str(step).removeprefix("roll back: ").replace(f"{DIRECTORY}/", "")
        for step in undo.steps(units, done, live=True)
    ]


def test_first_installation_is_taken_back() -> None:
    """Nothing stays, whatever step failed."""
    units = situation("", SPEC)
    assert [] == back(units, 0)
    assert ["remove echo.socket", "daemon-reload"] == back(units, 1)
    assert [
        "stop echo.socket",
        "disable echo.socket",
        "remove echo.socket",
        "remove echo.service",
        "daemon-reload",
        "reset-failed echo.socket",
    ] == back(units, 5)


def test_changed_service_is_taken_back_behind_its_socket() -> None:
    """The socket stays open for that, too."""
    units = situation(SPEC, set_in(SPEC, "service", "Nice = 3"), echo_socket=UP, echo_service=UP)
    assert [
        "write echo.service",
        "daemon-reload",
        "reset-failed echo.service",
        "restart echo.service",
    ] == back(units, 3)


def test_change_of_mode_is_taken_back() -> None:
    """The old units come back as they were: enabled or not, running or not."""
    each = 'mode = "per-connection"\n' + SPEC
    assert [
        "stop echo.socket echo.service",
        "write echo.socket",
        "remove echo@.service",
        "write echo.service",
        "daemon-reload",
        "reset-failed echo.socket echo.service",
        "start echo.socket",
        "start echo.service",
    ] == back(situation(SPEC, each, echo_socket=UP, echo_service=UP), 9)


def test_tables_hold_known_directives() -> None:
    """Every name is one of systemd's."""
    for section, names in LIVE.items():
        assert [] == [name for name in names if directives.lookup(section, name) is None]
    for name in PASSED | CLOSING:
        assert directives.lookup("Socket", name)


@pytest.mark.parametrize(
    ("before", "after", "effect", "in_place", "why"),
    [
        ("Backlog=1", "Backlog=2", Effect.SOCKET, True, "Backlog= changed"),
        ("MaxConnections=1", "", Effect.NONE, True, "MaxConnections= changed"),
        ("Symlinks=/a", "", Effect.SOCKET, False, "Symlinks= changed"),
        ("ListenStream=/a", "", Effect.SOCKET, False, "ListenStream= changed"),
        ("", "ListenStream=/a", Effect.SOCKET, True, "ListenStream= changed"),
        ("ListenStream=/a", "ListenDatagram=/a", Effect.SOCKET, False, "Listen"),
        ("ListenStream=1\nListenDatagram=1", "ListenDatagram=1\nListenStream=1", 2, True, "Listen"),
        ("X-Own=1", "X-Own=2", Effect.NONE, True, "X-Own= changed"),
        ("#", ";", Effect.NONE, True, "comments only"),
    ],
)
def test_effects(before: str, after: str, effect: int, in_place: bool, why: str) -> None:  # noqa: FBT001 - a row
    """Each change asks for no more than it must."""
    change = compare("a.socket", f"[Socket]\n{before}\n", f"[Socket]\n{after}\n")
    assert (effect, in_place) == (change.effect, change.in_place)
    assert change.why.startswith(why)


def test_units_of_others_are_refused() -> None:
    """A distribution's unit of the same name is not overridden unasked, a mask never."""
    file = File(DIRECTORY / "ssh.socket", None, "", "missing")
    theirs = Unit(file, replace(state("ssh.socket", UP), path=__file__))
    with pytest.raises(ActivatorError, match="not from activator"):
        refuse([theirs], force=False)
    refuse([theirs], force=True)
    link = File(DIRECTORY / "ssh.socket", "", None, "link")
    masked = Unit(link, state("ssh.socket", DOWN))
    with pytest.raises(ActivatorError, match="unmask"):
        refuse([masked], force=True)


def test_steps_describe_themselves() -> None:
    """In words for people, as values for programs."""
    step = Step(Verb.START, ("a.socket",), "why not", back=True)
    assert "roll back: start a.socket: why not" == str(step)
    assert {
        "do": "start",
        "names": ["a.socket"],
        "why": "why not",
        "back": True,
    } == step.describe()


def test_documented_directives_are_those_of_the_tables() -> None:
    """What the documentation says of a daemon-reload is what is done."""
    text = (Path(__file__).parents[2] / "docs/install.md").read_text()
    _, _, lists = text.partition("so that a `daemon-reload` is enough:")
    socket, service = lists.partition("Why in this order")[0].split("* of a ")[1:]
    for part, names in ((socket, LIVE["Socket"]), (service, LIVE["Service"])):
        assert sorted(names) == re.findall(r"`(\w+)=`", part)
