"""What `activator run` takes: folders, templates, drop-ins, names, and mere addresses."""

import json
import os
import re
import socket
import subprocess
from pathlib import Path

import pytest

from activator.local.units.adhoc import units
from activator.local.units.load import load
from tests.support.local import (
    EACH,
    ONCE,
    PATIENCE,
    Activate,
    Running,
    ask,
    command,
    connect,
    environment,
    failure,
    free_port,
    python,
    read_all,
    run_to_end,
    write_units,
)

SERVICE = "[Service]\nExecStart=/bin/cat\n"


# --- folders, templates, names -----------------------------------------------------------


def test_folder(tmp_path: Path, activate: Activate) -> None:
    """A folder stands for its sockets, not for its templates and other files."""
    write_units(
        tmp_path,
        {
            "all/a.socket": f"[Socket]\nListenStream=@{tmp_path}/a\nService=both.service\n",
            "all/b.socket": f"[Socket]\nListenStream=@{tmp_path}/b\nService=both.service\n",
            "all/both.service": f"[Service]\nExecStart={python(tmp_path, ONCE)}\n",
            "all/c@.socket": "[Socket]\nListenStream=/%i\n",
            "all/alone.service": SERVICE,
            "all/notes.txt": "",
        },
    )
    run = activate("all")
    run.until("listening", count=2)
    facts = ask(f"\0{tmp_path}/a")
    assert ["a.socket", "b.socket"] == [name for _, name, *_ in facts["fds"]]
    assert 0 == run.stop()


def test_folder_of_specs(tmp_path: Path, activate: Activate) -> None:
    """A folder without units stands for the specs in it."""
    for name in ("one", "two"):
        write_units(
            tmp_path,
            {
                f"specs/{name}.toml": f"""
                    name = "{name}"
                    exec = "/bin/cat"
                    mode = "per-connection"
                    [sockets.{name}]
                    ListenStream = "127.0.0.1:{free_port()}"
                    """
            },
        )
    run = activate("specs")
    run.until(r"^one\.socket: listening")
    run.until(r"^two\.socket: listening")
    assert 0 == run.stop()


def test_empty_folder(tmp_path: Path) -> None:
    """A folder with nothing to run is an error."""
    (tmp_path / "empty").mkdir()
    expected = "there is no .socket in empty; give a folder that has one\n"
    assert expected == failure(tmp_path, "empty")


def test_template(tmp_path: Path, activate: Activate) -> None:
    """Two instances of one template run side by side, each with its own service."""
    write_units(
        tmp_path,
        {
            "app@.socket": f"[Socket]\nListenStream={tmp_path}/%i.sock\n",
            "app@.service": f"[Service]\nExecStart={python(tmp_path, ONCE)} of-%i\n",
        },
    )
    run = activate("app@one.socket", "app@two.socket")
    run.until("listening", count=2)
    for name in ("one", "two"):
        assert [f"of-{name}"] == ask(f"{tmp_path}/{name}.sock")["argv"][1:]
    assert 0 == run.stop()


def test_one_name_twice(tmp_path: Path) -> None:
    """Two files with one name cannot both be meant."""
    for folder in ("a", "b"):
        write_units(tmp_path / folder, {"x.socket": "[Socket]\nListenStream=@x\n"})
    expected = "a/x.socket and b/x.socket have one name; give one of them\n"
    assert expected == failure(tmp_path, "a/x.socket", "b/x.socket")


SPEC = 'name = "x"\nexec = "/bin/cat"\n[sockets.x]\nListenStream = "@x"\n'


@pytest.mark.parametrize(
    "words",
    [("b.toml", "x.toml"), ("./b.toml", "b.toml", "x.toml"), (".",)],
    ids=["two", "one-twice", "folder"],
)
def test_specs_of_one_name(words: tuple[str, ...], tmp_path: Path) -> None:
    """Two specs that make the same units cannot both be meant."""
    write_units(tmp_path, {"b.toml": SPEC, "x.toml": SPEC})
    expected = "b.toml and x.toml both make x.socket; give one of them, or another name to one\n"
    assert expected == failure(tmp_path, *words).removeprefix("./")


def test_a_spec_and_a_unit_of_one_name(tmp_path: Path) -> None:
    """A spec and a unit file that it does not stand for cannot both be meant."""
    write_units(tmp_path, {"x.toml": SPEC, "u/x.socket": "[Socket]\nListenStream=@y\n"})
    expected = "x.toml: x.socket and u/x.socket have one name; give one of them\n"
    assert expected == failure(tmp_path, "x.toml", "u/x.socket")
    assert expected == failure(tmp_path, "x.toml", "u")


def test_a_spec_named_twice(tmp_path: Path, activate: Activate) -> None:
    """It is one, however it is named."""
    write_units(tmp_path, {"x.toml": SPEC.replace("@x", f"@{tmp_path}/x")})
    run = activate("x.toml", f"{tmp_path}/x.toml")
    run.until(r"^x\.socket: listening")
    assert 0 == run.stop()


def test_masked(tmp_path: Path) -> None:
    """A unit that is a link to /dev/null does not run."""
    (tmp_path / "x.socket").symlink_to(os.devnull)
    expected = "x.socket: x.socket is masked; write something into it, or give another file\n"
    assert expected == failure(tmp_path, "x.socket")


def test_unknown_name(tmp_path: Path) -> None:
    """A name is looked for where the system's units are, a path is not."""
    assert "nor does the system have it" in failure(tmp_path, "no-such-unit-here.socket")
    assert "there is no file ./x.socket; check the path\n" == failure(
        tmp_path, "./../" + tmp_path.name + "/x.socket"
    ).replace(f"../{tmp_path.name}/", "./")


def test_system_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mere name, and a file of the system's, get what lies in all of its directories."""
    etc, lib = tmp_path / "etc", tmp_path / "lib"
    places = (str(etc), str(lib), "/lib/systemd/none")
    monkeypatch.setattr("activator.unitfile.search.SYSTEM", places)
    monkeypatch.setattr("activator.local.units.files.SYSTEM", places)
    write_units(lib, {"s.socket": "[Socket]\nListenStream=@lib\n", "s.service": SERVICE})
    write_units(etc, {"s.socket.d/a.conf": "[Socket]\nFileDescriptorName=etc\n"})
    monkeypatch.chdir(tmp_path)

    for name in ("s.socket", str(lib / "s.socket")):
        (unit,) = load([name]).sockets
        assert "etc" == unit.fdname


def test_alias(tmp_path: Path, activate: Activate) -> None:
    """A unit has the name of its file, by whichever of its names it is asked for."""
    path = str(tmp_path / "s")
    write_units(
        tmp_path,
        {
            "one.socket": f"[Socket]\nListenStream={path}\nService=other.service\n",
            "real.service": f"[Unit]\nRequires=more.service\n[Service]\n"
            f"ExecStart={python(tmp_path, ONCE)} %n\n",
            "need.service": "[Service]\nType=oneshot\nExecStart=/bin/true\n",
            "each.socket": f"[Socket]\nListenStream={path}2\nAccept=yes\n",
            "every@.service": f"[Service]\nExecStart={python(tmp_path, EACH, 'each')} %p\n",
        },
    )
    links = {"other": "real", "more": "need", "each@": "every@"}
    for name, target in links.items():
        (tmp_path / f"{name}.service").symlink_to(f"{target}.service")
    (tmp_path / "two.socket").symlink_to("one.socket")
    run = activate("two.socket", "one.socket", "each.socket")
    run.until("listening", count=2)
    assert ["real.service"] == ask(path)["argv"][1:]
    assert ["every"] == ask(f"{path}2")["argv"][1:]
    run.until(r"^need\[\d+\]: started")
    assert 0 == run.stop()


@pytest.mark.parametrize("module", ["kvd.py", "kvd/__init__.py"])
def test_handler_beside_its_spec(tmp_path: Path, activate: Activate, module: str) -> None:
    """A module that is not installed is taken from beside the spec, wherever the run starts."""
    handler = "def handle(sock):\n    sock.sendall(b'beside')\n"
    write_units(
        tmp_path,
        {
            f"app/{module}": handler,
            "app/kvd.toml": f'name = "kvd"\nhandler = "kvd:handle"\n'
            f'[sockets.a]\nListenStream = "{tmp_path}/s"\n',
        },
    )
    run = activate("app/kvd.toml")
    run.until("listening")
    assert b"beside" == read_all(connect(f"{tmp_path}/s"))
    assert 1 == run.text.count(
        "app/kvd.toml: kvd is taken from beside it, as it is not installed; "
    )
    assert 0 == run.stop()


# --- drop-ins ----------------------------------------------------------------------------


def test_drop_ins_apply_in_order(tmp_path: Path) -> None:
    """By name whatever the folder; of one name the most specific; a masked one hides."""
    write_units(
        tmp_path,
        {
            "foo-bar.socket": "[Socket]\nListenStream=@a\n",
            "foo-bar.service": SERVICE,
            "foo-bar.socket.d/20-own.conf": "[Socket]\nBacklog=20\n",
            "foo-.socket.d/30-prefix.conf": "[Socket]\nBacklog=30\nFileDescriptorName=prefix\n",
            "foo-.socket.d/40-same.conf": "[Socket]\nBacklog=41\n",
            "foo-bar.socket.d/40-same.conf": "[Socket]\nPriority=4\n",
            "socket.d/50-hidden.conf": "[Socket]\nBacklog=50\n",
            "socket.d/60-type.conf": "[Socket]\nMark=6\n",
            "service.d/10-type.conf": "[Service]\nEnvironment=TYPE=level\n",
            "socket.d/ignored.txt": "no unit",
        },
    )
    (tmp_path / "foo-bar.socket.d" / "50-hidden.conf").symlink_to(os.devnull)
    plan = load([str(tmp_path / "foo-bar.socket")])
    (unit,), (service,) = plan.sockets, plan.services.values()

    assert (30, "prefix") == (unit.options.backlog, unit.fdname)
    assert {"Priority": 4, "Mark": 6} == unit.options.values
    assert {"TYPE": "level"} == service.execution.environment


# --- addresses and a command -------------------------------------------------------------


def test_command(tmp_path: Path, activate: Activate) -> None:
    """Without files: addresses, names and a command, in the directory where it is given."""
    first, second = free_port(), free_port()
    words = python(tmp_path, ONCE).split()
    names = ["-l", f"127.0.0.1:{first}", "--fd-name", "one:two", "-l", f"127.0.0.1:{second}"]
    run = activate(*names, "-E", "MINE=1", "--", *words, "$HOME", "100%")
    run.until("listening", count=2)
    facts = ask(first)

    assert [
        [3, "one", "AF_INET SOCK_STREAM listening", False],
        [4, "two", "AF_INET SOCK_STREAM listening", False],
    ] == facts["fds"]
    assert ["$HOME", "100%"] == facts["argv"][1:]
    assert (str(tmp_path), "1") == (facts["cwd"], facts["environ"]["MINE"])
    assert 0 == run.stop()


def test_command_for_each_connection(tmp_path: Path, activate: Activate) -> None:
    """--accept: each connection has a process, told by REMOTE_ADDR."""
    port = free_port()
    run = activate("-l", str(port), "-a", "--", *python(tmp_path, EACH).split())
    run.until("listening")
    facts = [ask(port), ask(("::1", port))]
    assert ["127.0.0.1", "::1"] == [each["environ"]["REMOTE_ADDR"] for each in facts]
    assert [[3, "connection", "AF_INET6 SOCK_STREAM no", False]] == facts[0]["fds"]
    assert 0 == run.stop()


def test_same_as_systemd_socket_activate(tmp_path: Path, activate: Activate) -> None:
    """The same words give the same descriptors and the same output as systemd's own tool."""
    words = python(tmp_path, ONCE).split()
    seen = []
    for tool in ("theirs", "ours"):
        address = f"{tmp_path}/{tool}"
        options = ["--seqpacket", "-l", address, "--fdname=a", "-E", "PYTHONPATH"]
        if tool == "ours":
            run = activate(*options, "--", *words)
        else:
            run = Running(
                subprocess.Popen(
                    ["systemd-socket-activate", *options, *words],
                    env=environment(),
                    cwd=tmp_path,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                )
            )
        try:
            run.until("(?i)listening on")
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
                client.settimeout(PATIENCE)
                client.connect(address)
                facts = json.loads(client.recv(65536))
            seen.append([facts[key] for key in ("fds", "argv", "cwd")])
        finally:
            run.clean_up()
    assert seen[0] == seen[1]


@pytest.mark.parametrize(
    ("words", "kinds"),
    [
        ("-l A", "stream"),
        ("-d -l A", "datagram"),
        ("-l A -d", "datagram"),
        ("-l A -l B --seqpacket", "seqpacket seqpacket"),
        ("-l A -d -l A", "stream datagram"),
        ("-d -l A --seqpacket -l B -l C", "datagram seqpacket seqpacket"),
        ("--listen=A --datagram -lB", "stream datagram"),
    ],
)
def test_type_of_each(tmp_path: Path, activate: Activate, words: str, kinds: str) -> None:
    """Each -l has the type that the options before it say; behind all, they are for all."""
    address = {name: str(tmp_path / name) for name in "ABC"}
    if "seqpacket" not in kinds:
        address["A"] = f"127.0.0.1:{free_port()}"
    translated = re.sub("[ABC]", lambda found: address[found[0]], words).split()
    run = activate("--log", "json", *translated, "--", "/bin/cat")
    run.until('"kind": "open"')
    assert run.stop() == 0
    directives = {
        "ListenStream": "stream",
        "ListenDatagram": "datagram",
        "ListenSequentialPacket": "seqpacket",
    }
    events = map(json.loads, filter(None, run.text.splitlines()))
    found = [directives[each["directive"]] for each in events if each["kind"] == "listening"]

    assert kinds.split() == found


@pytest.mark.parametrize("accept", [True, False], ids=["each", "shared"])
def test_inetd(tmp_path: Path, activate: Activate, accept: bool) -> None:  # noqa: FBT001
    """--inetd: the socket is standard input and output; what goes to stderr is shown."""
    path = str(tmp_path / "sock")
    if accept:
        words = ["-a", "--", "/bin/sh", "-c", "echo for us >&2; exec cat"]
    else:
        words = ["-d", "--", "/bin/sh", "-c", "echo for us >&2; exec head -c 5"]
    run = activate("-l", "./sock", "--inetd", *words)
    run.until("listening")
    if accept:
        with connect(path) as client:
            client.sendall(b"hello")
            assert b"hello" == client.recv(10)
    else:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
            client.sendto(b"hello", path)
    run.until(r"^sh\[\d+\] \| for us$")
    assert 0 == run.stop()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), "there is nothing to run; name a spec or a unit, or give -l ADDRESS"),
        (("-l", "1"), "--listen: there is no command; write it behind --"),
        (("-a", "x.socket"), "--accept: there is no --listen; give -l ADDRESS and a command"),
        (("--fd-name", "a", "x.socket"), "--fd-name: there is no --listen; give"),
        (("-l", "1", "-d", "--seqpacket", "cat"), "--datagram: does not go with --seqpacket"),
        (("-d", "-l", "1", "--seqpacket", "cat"), "--seqpacket: there is no -l behind it; give"),
        (("-l", "1", "-d", "-a", "cat"), "--datagram: datagrams are not accepted; leave out"),
        (("-l", "1", "-l", "2", "--inetd", "cat"), "--inetd: standard input can be one socket"),
        (("-l", "1", "--fd-name", "a:b", "cat"), "--fd-name: 2 names for 1 addresses; give"),
    ],
)
def test_wrong_options(tmp_path: Path, arguments: tuple[str, ...], expected: str) -> None:
    """Options that do not go together are wrong usage, told in one line."""
    done = run_to_end(tmp_path, *arguments)
    assert (2, "") == (done.returncode, done.stdout)
    assert done.stderr.startswith(expected)
    assert 1 == done.stderr.count("\n")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("-l", "127.0.0.1:0", "--", "cat"), "--listen: ListenStream=127.0.0.1:0: "),
        (("-l", "run/x", "--", "cat"), "; write ./run/x, or begin with /"),
        (("-l", "x.sock", "--", "cat"), ", or ./x.sock for a path"),
        (("-l", "@x", "--", "no-such-program-here"), "there is no program no-such-program-here"),
        (("-l", "@x", "--", "./nothing"), "/nothing does not exist; install it"),
    ],
)
def test_wrong_words(tmp_path: Path, arguments: tuple[str, ...], expected: str) -> None:
    """A wrong address or command fails before anything listens."""
    assert expected in failure(tmp_path, *arguments)


def test_any_words_become_units() -> None:
    """Whatever stands on the command line reaches the program as it is."""
    odd = ["a b", "", ";", "%n", "$X", "${X}", "q\"uo'te", "\\", "\t\n", "-x"]
    (service,) = load([], units(["@x"], ["/bin/echo", *odd])).services.values()
    expected = ["/bin/echo", *(word.replace("$", "$$") for word in odd)]
    assert expected == list(service.commands["ExecStart"][0].argv)


# --- strict ------------------------------------------------------------------------------


def test_strict(tmp_path: Path, activate: Activate) -> None:
    """--strict makes an error of each directive that would have no effect."""
    write_units(
        tmp_path,
        {
            "x.socket": f"[Socket]\nListenStream={tmp_path}/sock\nNothing=1\n",
            "x.service": f"{SERVICE}ProtectSystem=yes\nPrivateDevices=yes\n",
        },
    )
    assert [
        "x.socket:3: [Socket] has no Nothing=",
        "ignored here: ProtectSystem=, PrivateDevices=; remove them, or run without --strict",
    ] == failure(tmp_path, "--strict", "x.socket").splitlines()
    assert not (tmp_path / "sock").exists()

    write_units(
        tmp_path, {"x.service": SERVICE, "x.socket": f"[Socket]\nListenStream=@{tmp_path}\n"}
    )
    run = activate("--strict", "x.socket")
    run.until("listening")
    assert 0 == run.stop()


def test_units_of_the_system_that_are_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service of the system's packages runs if it is named; otherwise it is taken as there."""
    monkeypatch.setattr("activator.local.units.load.VENDOR_PATH", (str(tmp_path),))
    for name, needs in (("web", "Requires=base.service"), ("base", ""), ("other", "")):
        text = f"[Unit]\n{needs}\n[Service]\nExecStart=/bin/cat\n"
        (tmp_path / f"{name}.service").write_text(text)
    (tmp_path / "web.socket").write_text("[Socket]\nListenStream=1234\n")
    paths = [str(tmp_path / name) for name in ("web.socket", "base.service", "other.service")]

    plan = load(paths[:1])
    assert ["web.service"] == list(plan.services)
    (note,) = plan.notes
    assert "needs base.service, which is the system's: taken as there" in note
    plan = load(paths[:2])
    assert (["web.service", "base.service"], ()) == (list(plan.services), plan.notes)
    plan = load(paths)
    assert ["web.service", "base.service"] == list(plan.services)
    (note,) = plan.notes
    assert note.startswith("other.service is not run: no socket here starts it, and no unit needs")
    assert not load([paths[0], str(tmp_path / "web.service"), paths[1]]).notes


def test_enabled_units(tmp_path: Path) -> None:
    """A link to a unit, as `systemctl enable` makes them, stands for the unit where it is."""
    write_units(
        tmp_path,
        {
            "units/web.socket": "[Socket]\nListenStream=1234\n",
            "units/web.service": "[Service]\nExecStart=/bin/cat\n",
        },
    )
    (tmp_path / "sockets.target.wants").mkdir()
    (tmp_path / "sockets.target.wants/web.socket").symlink_to(tmp_path / "units/web.socket")
    for path in ("sockets.target.wants", "sockets.target.wants/web.socket"):
        assert ["web.service"] == list(load([str(tmp_path / path)]).services)


def test_lost_directory(tmp_path: Path) -> None:
    """Where the current directory has gone, it says so."""
    (gone := tmp_path / "gone").mkdir()
    script = f'rmdir {gone}; exec "$@"'
    done = subprocess.run(
        ["/bin/sh", "-c", script, "sh", *command("-l", "7777", "--", "cat")],
        cwd=gone,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    told = "the current directory has been removed; change to another one\n"
    assert (1, told) == (done.returncode, done.stderr)
