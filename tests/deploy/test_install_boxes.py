"""Units that are installed, changed while clients come, and removed, under the real systemd."""

import json
import signal
import subprocess
from collections.abc import Callable, Iterator

import pytest

from tests.boxes.box import Box
from tests.boxes.loads import clients

UNITS = "/etc/systemd/system"
ECHO = """\
name = "shop"
description = "Echo"
handler = "activator.examples.echo:echo"

[sockets.shop]
ListenStream = ["127.0.0.1:7100", "/run/shop.sock"]
"""
EACH = 'mode = "per-connection"\n' + ECHO
# Takes an address until it is told to end.
TAKE = """
import socket
listener = socket.create_server(("127.0.0.1", 7100))
print(flush=True)
input()
"""
USER = "buyer"

Run = subprocess.CompletedProcess[str]


@pytest.fixture
def shop(box: Box) -> Iterator[Callable[..., Run]]:
    """Yield a function that installs a spec in a box; what it installs is removed."""

    def install(text: str, *flags: str, check: bool = True) -> Run:
        box.write("/root/shop.toml", text)
        return box.run("activator", "install", "/root/shop.toml", *flags, check=check)

    yield install
    box.run("activator", "uninstall", "shop", "--force", check=False)


def ask(box: Box, address: str = "TCP:127.0.0.1:7100") -> str:
    """Return the echo of a greeting, or nothing."""
    return box.run("socat", "-t120", "-", address, input="hello\n", check=False).stdout


def active(box: Box, *names: str) -> list[str]:
    """Return the state of some units."""
    return [box.show(name, "ActiveState") for name in names]


def traces(box: Box) -> list[str]:
    """Return what there is of the units, in any directory and in the manager."""
    script = "find /etc/systemd /run/systemd/system /run/shop.sock -name '*shop*' 2>/dev/null; true"
    files = box.run("sh", "-c", script).stdout.split()
    units = box.systemctl("list-units", "--all", "--plain", "--no-legend", "shop*").stdout
    return files + units.splitlines()


def test_first_client_starts_what_was_installed(box: Box, shop: Callable[..., Run]) -> None:
    """Installed is: the socket listens and is enabled; removed is: nothing is left."""
    steps = shop(ECHO, "--dry-run").stdout
    assert [] == traces(box)
    assert steps == shop(ECHO).stdout
    assert [
        f"write {UNITS}/shop.socket: new",
        f"write {UNITS}/shop.service: new",
        "enable shop.socket",
        "daemon-reload",
        "start shop.socket",
    ] == steps.splitlines()
    assert ["active", "inactive"] == active(box, "shop.socket", "shop.service")
    assert "enabled" == box.show("shop.socket", "UnitFileState")
    assert "hello\n" == ask(box) == ask(box, "UNIX-CONNECT:/run/shop.sock")
    assert "shop is as it should be: nothing to do\n" == shop(ECHO).stdout

    box.write(f"{UNITS}/shop.service.d/mine.conf", "[Service]\nNice=1\n")
    done = box.run("activator", "uninstall", "shop")
    assert done.stderr.startswith(f"{UNITS}/shop.service.d/mine.conf is kept: it is a drop-in of ")
    box.run("rm", "-r", f"{UNITS}/shop.service.d")
    box.systemctl("daemon-reload")
    assert [] == traces(box)
    assert "inactive" == box.show("shop.socket", "ActiveState")


def test_changes_under_load_lose_no_client(box: Box, shop: Callable[..., Run]) -> None:
    """50 clients that come and go: none is refused, cut or left without an answer."""
    shop(ECHO)
    changed = ECHO
    with clients(box, 50, "127.0.0.1:7100") as talking:
        pids = {box.show("shop.service", "MainPID")}
        for line in ("Nice = 1\n", "LimitNOFILE = 4096\n"):
            changed += line if "[service]" in changed else f"[service]\n{line}"
            assert "try-restart shop.service" in shop(changed).stdout
            pids.add(box.show("shop.service", "MainPID"))
        # These need no restart.
        shop(changed := changed.replace('"Echo"', '"More"'))
        shop(changed := changed + "Restart = 'always'\n")
        # A version that does not start is taken back.
        failed = shop(changed + "ExecStartPre = '/bin/false'\n", check=False)
        assert 1 == failed.returncode
        pids.add(box.show("shop.service", "MainPID"))
        assert ["served"] == list(talking.end())
    assert "Control process exited" in failed.stderr
    assert "everything is as it was before" in failed.stderr
    assert 4 == len(pids)
    assert "shop is as it should be: nothing to do\n" == shop(changed).stdout


def test_changed_template_under_load(box: Box, shop: Callable[..., Run]) -> None:
    """With a process for each connection, the next ones run the new version."""
    shop(EACH)
    with clients(box, 4, "/run/shop.sock") as talking:
        assert [
            f"write {UNITS}/shop@.service: Nice= changed",
            "daemon-reload",
        ] == shop(EACH + "[service]\nNice = 3\n").stdout.splitlines()
        assert ["served"] == list(talking.end())


def test_limit_of_connections_needs_no_new_socket(box: Box, shop: Callable[..., Run]) -> None:
    """The limit is looked up when a client comes."""
    shop(f"{EACH}MaxConnections = 1\n")
    with box.popen("socat", "-", "TCP:127.0.0.1:7100") as first:
        assert first.stdin
        assert first.stdout
        first.stdin.write("1\n")
        first.stdin.flush()
        assert "1\n" == first.stdout.readline()
        assert "" == ask(box)
        done = shop(f"{EACH}MaxConnections = 2\n").stdout.splitlines()
        assert "daemon-reload" == done[-1]
        assert "hello\n" == ask(box)
        first.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interruption_takes_all_back(
    box: Box, shop: Callable[..., Run], number: signal.Signals
) -> None:
    """Whoever loses patience with a long drain has the old version again."""
    slow = f"drain = 600\n{ECHO}"
    shop(slow)
    with box.popen("socat", "-", "TCP:127.0.0.1:7100") as client:
        assert client.stdin
        assert client.stdout
        client.stdin.write("1\n")
        client.stdin.flush()
        assert "1\n" == client.stdout.readline()
        box.write("/root/shop.toml", f"{slow}[service]\nNice = 3\n")
        with box.popen("activator", "install", "/root/shop.toml") as process:
            assert process.stdout
            assert any(line.startswith("try-restart") for line in process.stdout)
            box.wait_for(lambda: box.show("shop.service", "SubState") == "stop-sigterm")
            refused = shop(slow, check=False)
            assert "shop is being installed or removed already; wait\n" == refused.stderr
            box.write("/root/shop.toml", f"{slow}[service]\nNice = 3\n")
            process.send_signal(number)
            assert process.stdout.readline().startswith("roll back: ")
            process.send_signal(number)
            client.communicate()
            _, errors = process.communicate(timeout=120)
    by = "" if number == signal.SIGINT else f" by {number.name}"
    told = f"interrupted{by}; everything is as it was before\n"
    assert (1, told) == (process.returncode, errors)
    assert "[]\n" == box.run("activator", "doctor", "--format", "json", "shop").stdout
    assert "0" == box.show("shop.service", "Nice")
    assert "hello\n" == ask(box)


# In the place of systemctl: it comes to no end where it is to do some things.
HOLDS = """\
#!/bin/sh
for word; do
    case " VERBS " in *" $word "*) : >/run/held; exec sleep 4712;; esac
done
exec /usr/bin/systemctl "$@"
"""
# Steps that are done without it → what must not be done after them.
NEXT = {"write": "stop daemon-reload start", "remove": "daemon-reload"}


def killed(box: Box, verb: str, *words: str) -> None:
    """Run a command line, and kill it outright at its first step of some kind."""
    systemctl = "/usr/local/sbin/systemctl"
    box.write(systemctl, HOLDS.replace("VERBS", NEXT.get(verb, verb)), 0o755)
    try:
        with box.popen("activator", *words) as process:
            assert process.stdout
            assert any(line.split()[:1] == [verb] for line in process.stdout)
            if verb not in NEXT:
                box.wait_for(lambda: box.exists("/run/held"), verb)
            process.kill()
    finally:
        box.run("rm", "-f", systemctl, "/run/held")
        box.run("pkill", "-f", "sleep 4712", check=False)


def half_installed(box: Box) -> list[str]:
    """Return the commands by which doctor mends what was killed."""
    found = json.loads(box.run("activator", "doctor", "--format", "json", check=False).stdout)
    return [line for one in found if one["name"] == "half-installed" for line in one["commands"]]


@pytest.mark.parametrize("verb", ["write", "stop", "daemon-reload", "start"])
def test_killed_installation_is_found_and_mended(
    box: Box, shop: Callable[..., Run], verb: str
) -> None:
    """Doctor names it with its call, which brings it to its end: what ran runs again."""
    shop(ECHO)
    ask(box)
    # A path that is given up has the socket stopped before the reload.
    moved = ECHO.replace("/run/shop.sock", "/run/shop-new.sock") + "[service]\nNice = 3\n"
    box.write("/root/shop.toml", moved)
    killed(box, verb, "install", "/root/shop.toml")
    assert not [name for name in traces(box) if "shop-new" in name and verb == "write"]
    planned = box.run("activator", "install", "/root/shop.toml", "--dry-run").stdout
    assert "daemon-reload\n" in planned
    (command,) = half_installed(box)
    assert command.endswith(" && activator install /root/shop.toml")
    box.run("sh", "-c", command)
    assert ["active", "active"] == active(box, "shop.socket", "shop.service")
    assert "3" == box.show("shop.service", "Nice")
    pid = box.show("shop.service", "MainPID")
    assert "hello\n" == ask(box) == ask(box, "UNIX-CONNECT:/run/shop-new.sock")
    nice = box.run("ps", "-o", "nice=", "-p", pid, check=False)
    assert nice.returncode or "3" == nice.stdout.strip()
    assert [] == half_installed(box)
    assert "shop is as it should be: nothing to do\n" == shop(moved).stdout
    assert "" == box.run("find", UNITS, "-name", ".activator*").stdout


@pytest.mark.parametrize("verb", ["stop", "remove", "daemon-reload"])
def test_killed_removal_is_found_and_mended(box: Box, shop: Callable[..., Run], verb: str) -> None:
    """The same call removes what is left."""
    shop(ECHO)
    ask(box)
    killed(box, verb, "uninstall", "shop")
    (command,) = half_installed(box)
    assert command.endswith(" && activator uninstall shop")
    box.run("sh", "-c", command)
    assert [] == half_installed(box) == traces(box)
    assert ["inactive", "inactive"] == active(box, "shop.socket", "shop.service")


def test_changed_socket(box: Box, shop: Callable[..., Run]) -> None:
    """It is made anew, its service runs again, and a path that was given up is gone."""
    shop(ECHO)
    ask(box)
    done = shop(ECHO + "ReceiveBuffer = '64K'\n").stdout.splitlines()
    assert "restart shop.socket shop.service" == done[-1].partition(":")[0]
    assert ["active", "active"] == active(box, "shop.socket", "shop.service")
    assert "hello\n" == ask(box)
    shop(ECHO.replace("shop.sock", "shop/new.sock"))
    assert not box.exists("/run/shop.sock")
    assert "hello\n" == ask(box, "UNIX-CONNECT:/run/shop/new.sock")
    assert "active" == box.show("shop.service", "ActiveState")
    box.run("activator", "uninstall", "shop")
    box.run("rmdir", "/run/shop")


def test_later_is_not_never(box: Box, shop: Callable[..., Run]) -> None:
    """What --no-now leaves alone is brought up to date by the next installation."""
    shop(ECHO, "--no-now")
    assert "inactive" == box.show("shop.socket", "ActiveState")
    shop(ECHO)
    ask(box)
    pid = box.show("shop.service", "MainPID")
    changed = ECHO.replace("7100", "7101") + "[service]\nNice = 2\n"
    done = shop(changed, "--no-now")
    assert "shop.socket runs as before until you install with --now" in done.stderr
    assert "hello\n" == ask(box)
    assert pid == box.show("shop.service", "MainPID")
    shop(changed)
    assert "hello\n" == ask(box, "TCP:127.0.0.1:7101")
    assert "2" == box.show("shop.service", "Nice")


def test_other_mode_and_other_names(box: Box, shop: Callable[..., Run]) -> None:
    """Units that the spec makes no more are stopped, disabled and removed."""
    shop(ECHO)
    ask(box)
    shop(EACH)
    assert "hello\n" == ask(box)
    assert not box.exists(f"{UNITS}/shop.service")
    assert "inactive" == box.show("shop.service", "ActiveState")
    two = ECHO + "[sockets.admin]\nListenStream = '/run/shop-admin.sock'\n"
    shop(two)
    assert "hello\n" == ask(box) == ask(box, "UNIX-CONNECT:/run/shop-admin.sock")
    names = box.run("ls", UNITS, f"{UNITS}/sockets.target.wants").stdout.split()
    assert {"shop-admin.socket", "shop-shop.socket"} <= set(names)
    assert not {"shop@.service", "shop.socket"} & set(names)
    box.run("activator", "uninstall", "shop")
    assert [] == traces(box)


def test_port_that_is_taken_takes_all_back(box: Box, shop: Callable[..., Run]) -> None:
    """The reason is told in one line, and what ran before runs again."""
    with box.popen(box.python, "-c", TAKE) as taker:
        assert taker.stdout
        taker.stdout.readline()
        first = shop(ECHO, check=False)
        assert (1, 1) == (first.returncode, len(first.stderr.splitlines()))
        assert "127.0.0.1:7100): Address already in use; everything is as" in first.stderr
        assert [] == traces(box)

        old = ECHO.replace("7100", "7102")
        shop(old)
        ask(box, "TCP:127.0.0.1:7102")
        later = shop(EACH, "--format", "json", check=False)
        told = json.loads(later.stdout)
        assert "failed" == told["result"]
        assert any("Address already in use" in line for line in told["errors"])
        assert any(step.get("back") for step in told["steps"])
        assert "hello\n" == ask(box, "TCP:127.0.0.1:7102")
        assert ["active", "active"] == active(box, "shop.socket", "shop.service")
        assert "enabled" == box.show("shop.socket", "UnitFileState")
        assert "shop is as it should be: nothing to do\n" == shop(old).stdout
        taker.communicate("\n")


def test_units_that_are_not_ours(box: Box, shop: Callable[..., Run]) -> None:
    """An edited file and a distribution's unit are left alone unless forced."""
    shop(ECHO)
    edited = box.read(f"{UNITS}/shop.service") + "Nice=9\n"
    box.write(f"{UNITS}/shop.service", edited)
    refused = shop(ECHO, check=False)
    assert (1, "") == (refused.returncode, refused.stdout)
    assert refused.stderr.startswith(f"{UNITS}/shop.service: it was edited since it was written; ")
    assert 1 == box.run("activator", "uninstall", "shop", check=False).returncode
    assert edited == box.read(f"{UNITS}/shop.service")
    shop(ECHO, "--force")

    theirs = shop(ECHO.replace('"shop"', '"dbus"'), check=False)
    assert 1 == theirs.returncode
    assert "dbus.socket is there already, and not from activator" in theirs.stderr
    unknown = box.run("activator", "uninstall", "dbus", check=False).stderr
    assert "nothing is installed as 'dbus'; there is shop\n" == unknown


def test_program_that_is_missing_is_told_before(box: Box, shop: Callable[..., Run]) -> None:
    """Systemd's own verification comes before the first step."""
    spec = ECHO.replace('handler = "activator.examples.echo:echo"', 'exec = "/no/such/program"')
    done = shop(spec, check=False)
    assert (1, "") == (done.returncode, done.stdout)
    assert "shop.service: Command /no/such/program is not executable" in done.stderr
    assert [] == traces(box)


def test_user_manager(box: Box) -> None:
    """The same for a user's own manager, without root."""
    box.run("useradd", "--create-home", USER)
    uid = box.run("id", "-u", USER).stdout.strip()
    runtime = f"XDG_RUNTIME_DIR=/run/user/{uid}"
    mine = ("runuser", "-u", USER, "--", "env", f"HOME=/home/{USER}", runtime)
    try:
        box.systemctl("start", f"user@{uid}.service")
        text = ECHO.replace("7100", "7103").replace("/run", f"/run/user/{uid}")
        spec = f"/home/{USER}/shop.toml"
        box.write(spec, text)
        made_up = f"{text}[service]\nDynamicUser = true\n"
        box.write(spec, made_up)
        refused = box.run(*mine, "activator", "install", "--user", spec, check=False)
        assert "DynamicUser= is refused by a user's manager; leave it out\n" in refused.stderr
        box.write(spec, text)
        box.run(*mine, "activator", "install", "--user", spec)
        assert box.exists(f"/home/{USER}/.config/systemd/user/shop.socket")
        assert "hello\n" == ask(box, f"UNIX-CONNECT:/run/user/{uid}/shop.sock")
        refused = box.run(*mine, "activator", "install", spec, check=False)
        assert (1, 1) == (refused.returncode, len(refused.stderr.splitlines()))
        assert "as root, or with --user" in refused.stderr
        box.write(spec, text.replace("127.0.0.1:7103", "192.0.2.1:7103") + "FreeBind = false\n")
        failed = box.run(*mine, "activator", "install", "--user", spec, check=False)
        assert 1 == failed.returncode
        assert "Cannot assign requested address; everything is as" in failed.stderr
        assert "hello\n" == ask(box, "TCP:127.0.0.1:7103")
        box.run(*mine, "activator", "uninstall", "--user", "shop")
        left = box.run("find", f"/home/{USER}/.config", "-name", "shop*").stdout
        assert "" == left
    finally:
        box.systemctl("stop", f"user@{uid}.service", check=False)
        box.run("userdel", "--remove", USER, check=False)
