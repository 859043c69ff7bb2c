"""Units of services with workers, hand-over and limits for processes."""

import pytest

from activator.errors import ActivatorError
from activator.generate import specfile
from activator.generate.render import render
from activator.unitfile.parse import UnitFile

SHARED = """\
name = "shop"
handler = "shop.front:handle"
KEYS
[sockets.shop]
ListenStream = 7777
"""
WARM = SHARED.replace("KEYS", 'mode = "per-connection"\nisolation = "process"\nKEYS')


def service(text: str, keys: str) -> dict[str, str | None]:
    """Return the lines of the service that matter here."""
    made = render(specfile.loads(text.replace("KEYS", keys)))["shop.service"]
    unit = UnitFile.parse(made, "shop.service")
    return {name: unit.get("Service", name) for name in ("ExecStart", "ExecReload", "Type")}


@pytest.mark.parametrize(
    ("keys", "option"),
    [("workers = 3", " --workers 3"), ("hand-over = true", " --workers 1"), ("workers = 1", None)],
)
@pytest.mark.parametrize("version", [252, 262])
def test_reload(keys: str, option: str | None, version: int) -> None:
    """A reload waits for its outcome, and tells it, with every systemd."""
    assert {
        "ExecStart": f"activator serve{option or ' --workers 1'} shop.front:handle",
        "ExecReload": "activator reload $MAINPID",
        "Type": "notify",
    } == service(SHARED, f"{keys}\nsystemd = {version}")


@pytest.mark.parametrize("text", [SHARED, WARM])
def test_replaced_workers(text: str) -> None:
    """When a worker is to be replaced is passed on to the runtime."""
    keys = 'hand-over = true\nworker-max-connections = 1000\nworker-max-memory = "200M"'
    options = " --worker-max-connections 1000 --worker-max-memory 200M "
    assert f"activator serve --workers 1{options}" in (service(text, keys)["ExecStart"] or "")


def test_without() -> None:
    """No parent and no reload, unless they are asked for."""
    for keys in ("", "hand-over = false"):
        found = service(SHARED, keys)
        assert "activator serve shop.front:handle" == found["ExecStart"]
        assert found["ExecReload"] is None


def test_the_interpreter() -> None:
    """The one that is named runs the command for ExecReload= too."""
    found = service(SHARED, 'hand-over = true\npython = "/srv/a b/bin/python"')
    assert '"/srv/a b/bin/python" -m activator reload $MAINPID' == found["ExecReload"]


def test_reload_by_signal() -> None:
    """Type=notify-reload does without a command; a command of the spec's own is kept."""
    keys = "hand-over = true\nsystemd = 254\n[service]\nType = 'notify-reload'"
    assert service(SHARED, keys)["ExecReload"] is None
    keys = "hand-over = true\n[service]\nExecReload = '/bin/true'"
    assert "/bin/true" == service(SHARED, keys)["ExecReload"]


def test_processes_of_connections() -> None:
    """Their limits are options, and they can be handed over too."""
    keys = 'hand-over = true\ntime-limit = "2min"\nlimits = { nofile = 64, as = "256M" }'
    assert (
        "activator serve --workers 1 --isolation process --time-limit 120 "
        "--limit nofile=64,as=256M shop.front:handle"
    ) == service(WARM, keys)["ExecStart"]
    assert "--time-limit" not in (service(WARM, 'time-limit = "infinity"')["ExecStart"] or "")


def test_cgroups() -> None:
    """The limits of their cgroups are an option, and the unit delegates the tree."""
    keys = 'needs = ["cgroups"]\ncgroup = { "memory.max" = "64M", "pids.max" = 16 }'
    made = render(specfile.loads(WARM.replace("KEYS", keys)))["shop.service"]
    assert "--cgroup memory.max=64M,pids.max=16 shop" in made
    assert "\nDelegate=yes\n" in made
    keys = 'cgroup = { "cpu.max" = "50000 100000" }\nservice.Delegate = true'
    assert '"cpu.max=50000 100000"' in (service(WARM, keys)["ExecStart"] or "")


@pytest.mark.parametrize(
    ("text", "keys", "line", "message"),
    [
        (SHARED, "workers = 0", 3, "workers = 0 is out of range"),
        (SHARED, "workers = 1000000", 3, "workers = 1000000 is out of range"),
        (SHARED, 'time-limit = "2min"', 3, "time-limit is for a process of each connection"),
        (SHARED, 'mode = "per-connection"\nhand-over = true', 4, "needs a handler of shared"),
        (SHARED, "worker-max-connections = 5", 3, "worker-max-connections is for workers"),
        (SHARED, "workers = 2\nworker-max-connections = 0", 4, "is out of range"),
        (SHARED, 'workers = 2\nworker-max-memory = "0M"', 4, "is not a size"),
        (WARM, "workers = 2", 5, "here each connection has a process already"),
        (WARM, "time-limit = 0", 5, "is not a usable time"),
        (WARM, 'time-limit = "soon"', 5, "is not a usable time"),
        (WARM, "limits = { nofle = 1 }", 5, "limits has no 'nofle'"),
        (WARM, 'limits = { as = "1 M" }', 5, "as = '1 M' is not a limit"),
        (WARM, 'cgroup = { "pids.max" = 9 }', 5, "cgroup needs a part of the cgroup tree"),
        (WARM, 'needs = ["cgroups"]\ncgroup = { "cgroup.kill" = 1 }', 6, "cgroup has no"),
        (WARM, 'needs = ["cgroups"]\ncgroup = { "a.b" = "1,c.d=2" }', 6, "is not a limit"),
        (WARM, "limits = { as = true }", 5, "as = 'True' is not a limit"),
        (SHARED.replace("handler", "exec"), "workers = 2", 3, "needs a handler of shared"),
    ],
)
def test_wrong(text: str, keys: str, line: int, message: str) -> None:
    """What means nothing or is no number is told with its line."""
    with pytest.raises(ActivatorError, match=message) as caught:
        specfile.loads(text.replace("KEYS", keys), name="x.toml")
    assert f"x.toml:{line}: " in caught.value.lines()[0]
