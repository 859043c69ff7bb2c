"""Completion of words in shells, and what it costs the commands: nothing."""

import os
import pty
import select
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from activator.cli import COMMANDS, activator
from activator.cli.shells import SHELLS, VARIABLE, Bash
from activator.generate.hardening import needs
from activator.generate.render import templates
from activator.testing.activation import Activate

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
SECONDS = 120


def offered(*words: str) -> list[str]:
    """Return what is offered for the last of some words, asked of click itself."""
    complete = SHELLS["zsh"](activator, {}, "activator", VARIABLE)
    items = complete.get_completions(list(words[:-1]), words[-1])
    return [item.value for item in items]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder with specs, units and other files."""
    for name in ("echo.toml", "echo.socket", "notes.txt", "more/shop.toml", "plain/notes.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


# --- what is offered ---------------------------------------------------------------------


def test_commands_are_offered_without_loading_them() -> None:
    """Every command is offered, from the table."""
    assert sorted(COMMANDS) == offered("")
    assert ["gen", "graph"] == offered("g")
    code = (
        "import sys; from activator.cli import activator; from activator.cli.shells import *\n"
        "SHELLS['zsh'](activator, {}, 'activator', VARIABLE).get_completions([], '')\n"
        "print([name for name in sys.modules if name.startswith('activator.cli.')])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "['activator.cli.shells']" == run.stdout.strip()


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_completes(command: str) -> None:
    """The options of every command are offered, and an argument raises nothing."""
    assert "--help" in offered(command, "--")
    offered(command, "")
    offered(command, "x")


@pytest.mark.usefixtures("folder")
def test_specs() -> None:
    """Specs are offered, and folders on the way; the shell helps itself where there are none."""
    assert ["echo.toml", "more/", "plain/"] == offered("gen", "")
    assert ["echo.toml"] == offered("gen", "e")
    assert ["more/shop.toml"] == offered("gen", "more/")
    assert ["echo.socket", "echo.toml"] == offered("run", "echo")
    complete = SHELLS["zsh"](activator, {}, "activator", VARIABLE)
    assert ["file"] == [item.type for item in complete.get_completions(["gen"], "plain/")]
    assert ["dir"] == [item.type for item in complete.get_completions(["gen", "-o"], "")]


def test_specs_with_names_that_need_quotes(folder: Path) -> None:
    """Names that a shell would have to quote are left to the shell."""
    (folder / "my spec.toml").touch()
    assert [""] == offered("gen", "")


def test_directives() -> None:
    """Directives are offered with their meaning, of one section if one is named."""
    assert ["MaxConnections", "MaxConnectionsPerSource"] == offered("directives", "MaxC")
    # Keys of a spec have pages too.
    assert ["needs"] == offered("directives", "need")
    assert ["MaxConnections", "MaxConnectionsPerSource"] == offered("directives", "maxc")
    assert ["Alias", "Also"] == offered("directives", "--section", "Install", "A")
    complete = SHELLS["zsh"](activator, {}, "activator", VARIABLE)
    (item,) = complete.get_completions(["directives"], "MaxConnectionsP")
    assert item.help
    assert ["tcp"] == offered("directives", "--for", "t")


def test_assignments() -> None:
    """--set completes its table, the directive and the value."""
    assert ["socket.", "service."] == offered("gen", "--set", "s")
    assert ["socket.ReceiveBuffer="] == offered("gen", "--set", "socket.Rec")
    assert ["service.KillMode=mixed"] == offered("gen", "--set", "service.KillMode=m")
    assert ["socket.NoDelay=yes"] == offered("gen", "--set", "socket.NoDelay=y")
    assert "socket.Accept=" not in offered("gen", "--set", "socket.A")
    assert "unit.BindTo=" not in offered("gen", "--set", "unit.Bind")
    for word in ("x", "x.", "x.y", "socket.What=", "a b", "socket.X=y=z"):
        assert [] == offered("gen", "--set", word)


def test_values_of_options() -> None:
    """Options offer the values of their tables."""
    assert {"shared", "per-connection"} <= set(offered("gen", "--mode", ""))
    assert ["trixie"] == offered("gen", "--systemd", "t")
    assert ["257"] == offered("schema", "--systemd", "257")
    assert list(templates.names()) == offered("templates", "--show", "")
    assert ["bash", "zsh", "fish"] == offered("completion", "")


def test_needs(tmp_path: Path) -> None:
    """Needs are offered, and what may stand behind their colon."""
    forms = {form.removesuffix(need.placeholder) for form, need in needs().items()}
    assert forms == set(offered("gen", "--need", ""))
    assert ["network", "network:"] == offered("gen", "--need", "net")
    assert ["home:read-only"] == offered("gen", "--need", "home:")
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "with blank").touch()
    for word, expected in (
        ("network:lo", ["network:localhost"]),
        ("user:roo", ["user:root"]),
        ("group:roo", ["group:root"]),
        ("capability:CAP_SYS_A", ["capability:CAP_SYS_ADMIN"]),
        ("family:AF_NETL", ["family:AF_NETLINK"]),
        ("namespaces:us", ["namespaces:user"]),
        ("syscalls:@ch", ["syscalls:@chown"]),
        ("devices:/dev/nul", ["devices:/dev/null"]),
        (f"write:{tmp_path}/f", [f"write:{tmp_path}/file", f"write:{tmp_path}/folder/"]),
        (f"write:{tmp_path}/none/", []),
        ("listen:", []),
        ("state:x", []),
        ("what:x", []),
        ("read:relative", []),
    ):
        assert expected == offered("gen", "--need", word), word


def test_sockets_of_the_system(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`activator run` is offered files, and by name what the system has."""
    (system := folder / "system").mkdir()
    for name in ("echoing.socket", "echo@.socket", "echo.socket", "echoing.service"):
        (system / name).touch()
    monkeypatch.setattr("activator.unitfile.search.SYSTEM", (str(system),))
    assert "echoing.socket" not in offered("run", "")
    assert ["echo.socket", "echo.toml", "echoing.socket"] == sorted(offered("run", "echo"))
    assert ["system/echoing.socket"] == offered("run", "system/echoing.so")


def test_units_of_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """`activator ctl` is offered the units that run; nothing where none do."""
    with Activate() as activate, tempfile.TemporaryDirectory() as directory:
        path = f"{directory}/ctl"
        monkeypatch.setenv("ACTIVATOR_CONTROL", path)
        assert [] == offered("ctl", "status", "")
        options = ["--control-socket", path]
        activate(command=["/bin/cat"], options=options)
        assert ["cat.socket", "cat.service"] == offered("ctl", "status", "")
        assert ["cat.service"] == offered("ctl", "restart", "c")
        assert ["cat.socket"] == offered("ctl", "stop", "cat.service", "")
        monkeypatch.delenv("ACTIVATOR_CONTROL")
        assert ["cat.service"] == offered("ctl", *options, "restart", "")


# --- the scripts, in real shells ---------------------------------------------------------


def script(shell: str) -> str:
    """Return the script that the command prints."""
    run = subprocess.run(
        [BIN / "activator", "completion", shell], capture_output=True, text=True, check=True
    )
    assert "" == run.stderr
    return run.stdout


@pytest.mark.parametrize("shell", sorted(SHELLS))
def test_the_script_names_the_command(shell: str) -> None:
    """Each shell has its script."""
    assert VARIABLE in script(shell)


def in_shell(*argv: str) -> list[str]:
    """Run a shell that finds the command, and return the lines it prints."""
    environment = {"PATH": f"{BIN}:/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": "/nonexistent"}
    run = subprocess.run(
        argv,
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    assert ("", 0) == (run.stderr, run.returncode)
    return run.stdout.splitlines()


BASH = """
source <(activator completion bash)
compopt() { echo "compopt $*"; }
COMP_WORDS=(%s) COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_activator_completion_open activator "${COMP_WORDS[COMP_CWORD]}"
printf '%%s\\n' "${COMPREPLY[@]}"
"""


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("activator ge", ["gen"]),
        ("activator directives MaxConnectionsP", ["MaxConnectionsPerSource"]),
        ("activator gen --set socket.Rec", ["compopt -o nospace", "socket.ReceiveBuffer="]),
        ("activator gen --set socket.NoDelay =", ["yes", "no"]),
        ("activator gen --set socket.NoDelay = y", ["yes"]),
        ("activator gen --set = socket.NoDelay = y", ["yes"]),
        ("activator gen --mode = sh", ["shared"]),
        ("activator gen --name = x --mode sh", ["shared"]),
        ("activator gen --set socket.A= --mode sh", ["shared"]),
        ("activator gen --need net", ["network", "network:"]),
        ("activator gen --need network :", ["any", "localhost", "link-local", "multicast"]),
        ("activator gen --need network : lo", ["localhost"]),
        ("activator gen --need = network : lo", ["localhost"]),
        ("activator gen --need write : /var/li", ["compopt -o nospace", "/var/lib/"]),
        ("activator gen --need network : localhost --mode sh", ["shared"]),
        ("activator gen units/echo.t", ["units/echo.toml"]),
        ("activator gen units/", None),
    ],
)
def test_bash(words: str, expected: list[str] | None) -> None:
    """Bash gets what it shall put in the place of the word that it sees."""
    expected = expected or sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("units/*.toml"))
    assert expected == in_shell("bash", "--norc", "-c", BASH % words)


def test_bash_that_keeps_words_with_an_equals_sign() -> None:
    """Where = does not end a word, bash gets whole words."""
    complete = Bash(activator, {}, "activator", VARIABLE)
    for given, line in (
        ("service.KillMode=m", "service.KillMode=m"),
        ("m", "service.KillMode = m"),
    ):
        words = shlex.split(f"activator gen --set {line}")
        os.environ.update(COMP_WORDS="\n".join(words), COMP_CWORD=str(len(words) - 1))
        try:
            (item,) = complete.get_completions(*complete.get_completion_args())
        finally:
            del os.environ["COMP_WORDS"], os.environ["COMP_CWORD"]
        assert given.removesuffix("m") + "mixed" == item.value


@pytest.fixture
def terminal() -> Iterator[int]:
    """Yield the terminal of an interactive bash that has read the script."""
    terminal, inside = pty.openpty()
    environment = {"PATH": f"{BIN}:/usr/bin:/bin", "TERM": "dumb", "PS1": "> ", "HOME": "/"}
    shell = subprocess.Popen(
        ["setsid", "--ctty", "--wait", "bash", "--norc", "--noprofile", "-i"],
        env=environment,
        stdin=inside,
        stdout=inside,
        stderr=inside,
    )
    os.close(inside)
    with shell:
        try:
            os.write(terminal, b"bind 'set bell-style none'\nsource <(activator completion bash)\n")
            os.write(terminal, b"echo rea''dy\n")
            read_until(terminal, b"ready\r\n")
            yield terminal
        finally:
            os.write(terminal, b"\x03\nexit\n")
            shell.wait(SECONDS)
            os.close(terminal)


def read_until(terminal: int, text: bytes) -> bytes:
    """Read from a terminal until a text has come."""
    shown = b""
    end = time.monotonic() + SECONDS
    while text not in shown:
        assert select.select([terminal], [], [], max(0.0, end - time.monotonic()))[0], shown
        shown += os.read(terminal, 4096)
    return shown


def test_a_bash_to_type_into(terminal: int) -> None:
    """The tab key completes a directive without a blank behind it, then its value."""
    os.write(terminal, b"activator gen --set service.KillM\t")
    read_until(terminal, b"KillMode=")
    os.write(terminal, b"mi\t")
    read_until(terminal, b"mixed ")


@pytest.mark.skipif(not shutil.which("zsh"), reason="needs zsh")
def test_zsh() -> None:
    """Zsh gets directives with their meaning."""
    code = """
    autoload -U compinit; compinit -D -u
    source <(activator completion zsh)
    _describe() { print -r -- "${(P)3}" }
    words=(activator gen --set socket.Rec); CURRENT=4; _activator_completion
    """
    (line,) = in_shell("zsh", "-f", "-c", code)
    assert line.startswith("socket.ReceiveBuffer=:")


@pytest.mark.skipif(not shutil.which("fish"), reason="needs fish")
def test_fish(tmp_path: Path) -> None:
    """Fish gets directives and needs with their meaning, and the arguments of needs."""
    path = tmp_path / "activator.fish"
    path.write_text(script("fish"))

    def complete(words: str) -> list[str]:
        return in_shell("fish", "-c", f"source {path}; complete -C 'activator gen {words}'")

    assert any(line.startswith("socket.ReceiveBuffer=\t") for line in complete("--set socket.Rec"))
    assert any(line.startswith("jit\tmake machine code") for line in complete("--need j"))
    assert ["network:localhost"] == complete("--need network:lo")
    assert ["capability:CAP_SYS_ADMIN"] == complete("--need capability:CAP_SYS_A")


# --- what it costs -----------------------------------------------------------------------


def test_generating_loads_nothing_of_this() -> None:
    """``activator gen`` does not load what helps to write a spec."""
    code = (
        "import sys; from activator.cli import main; main(sys.argv[1:])\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, "gen", str(ROOT / "units/echo.toml"), "--stdout"],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(run.stderr.split())
    assert "activator.generate.render.text" in loaded
    assert loaded.isdisjoint(
        {
            "activator.generate.schema",
            "activator.unitfile.forms",
            "activator.generate.explain",
            "activator.unitfile.manual",
            "activator.cli.shells",
            "click.shell_completion",
            "jinja2.sandbox",
        }
    )
