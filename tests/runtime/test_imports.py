"""What the runtime loads: nothing that a service would wait for without need."""

import subprocess
import sys
import sysconfig

import pytest

from tests.support.services import ROOT, clean_environment

# What `import systemd.daemon` loads is the measure; the runtime may add these, and its own.
LISTEN_MAY_LOAD = frozenset({"activator", "activator.errors", "activator.runtime"}) | {
    "activator.common",
    "activator.common.integers",
    "activator.common.peers",
    "activator.notify",
    "activator.runtime.descriptor",
    "activator.runtime.listen",
    "activator.runtime.listener",
    "activator.runtime.variables",
    "activator.version",
}
# Each of them costs more than the whole of listen_fds().
NEVER = """
argparse ast asyncio click concurrent dataclasses inspect jinja2 json logging multiprocessing
pathlib random re shutil string subprocess tempfile tomllib traceback typing urllib uvloop
""".split()  # noqa: SIM905 - reads better than 23 strings


def loaded(code: str, before: str = "systemd.daemon") -> set[str]:
    """Run code in a bare interpreter; return what it loads beyond ``systemd.daemon``.

    Without ``site``, whose .pth files may load anything (an editable install loads re).
    """
    script = (
        f"import sys, {before}\n"
        "before = set(sys.modules)\n"
        f"{code}\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    paths = [str(ROOT), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    result = subprocess.run(
        [sys.executable, "-S", "-c", script],
        env={**clean_environment(), "PYTHONPATH": ":".join(paths)},
        check=True,
        capture_output=True,
        text=True,
    )
    return set(result.stdout.split())


def assert_light(modules: set[str]) -> None:
    """Check that none of the heavy ones is there."""
    assert set() == {name for name in modules if name.split(".")[0] in NEVER}


def test_bare_import() -> None:
    """The package itself loads nothing."""
    assert {"activator"} == loaded("import activator")


def test_listen_fds() -> None:
    """Taking the descriptors loads systemd.daemon and our own modules only."""
    assert set(LISTEN_MAY_LOAD) >= loaded(
        "import activator; activator.listen_fds(); activator.notify.ready()"
    )


def test_serve() -> None:
    """Getting at serve() adds its table of options."""
    assert set(LISTEN_MAY_LOAD) | {
        "activator.runtime.serving",
        "activator.runtime.options",
        "activator.runtime.serving.options",
    } >= loaded("from activator import Listener, Listeners, listen_fds, notify, serve")


def test_per_connection_with_plain_handler() -> None:
    """The quickest path, a plain handler for one connection, adds ``signal`` and a builtin."""
    modules = loaded(
        "import activator.__main__\n"
        "from activator.runtime.commands import serve\n"
        "from activator.runtime.serving import engine, load\n"
        "from activator.runtime.serving import single\n"
        "from activator.examples import echo, greet"
    )
    assert {"atexit", "signal"} >= {name for name in modules if not name.startswith("activator")}


def test_shared_with_plain_handler() -> None:
    """Threads load threading and queue, but no asyncio and no logging."""
    assert_light(
        loaded(
            "from activator.runtime.commands import serve\n"
            "from activator.runtime.serving import engine, load\n"
            "from activator.runtime.serving.threads import service"
        )
    )


@pytest.mark.parametrize("service", ["single", "threads", "processes", "loop"])
def test_nothing_before_handlers(service: str) -> None:
    """TLS and the PROXY protocol cost those nothing who do not ask for them."""
    module = "single" if service == "single" else f"{service}.service"
    modules = loaded(
        "from activator.runtime.commands import serve\n"
        "from activator.runtime.serving import engine, load, settings\n"
        f"import activator.runtime.serving.{module}\n"
        "settings.parsed(['--drain', '1', 'm:h'])"
    )
    words = {"before", "trusted", "secured", "ipaddress"} | (
        {"ssl"} if service != "loop" else set()  # asyncio loads it itself
    )
    assert [] == [name for name in modules if not words.isdisjoint(name.split("."))]


@pytest.mark.parametrize(
    "module",
    [
        "check",
        "cli",
        "deploy.install",
        "generate.render",
        "generate.specfile",
        "local",
        "output.plan",
        "unitfile.address",
        "unitfile.directives",
        "unitfile.parse",
        "unitfile.search",
    ],
)
def test_tools_never_load_the_runtime(module: str) -> None:
    """The tools work where systemd-python is not even installed."""
    code = (
        "for name in [name for name in sys.modules if name.startswith('systemd')]:\n"
        "    sys.modules[name] = None\n"
        "before = set(sys.modules)\n"
        f"import activator.{module}"
    )
    runtime = {"activator.notify", "activator.runtime"}
    assert set() == runtime & loaded(code)


def test_public_names() -> None:
    """Every public name can be had, is listed by dir(), and another one is an error."""
    code = (
        "import activator\n"
        "assert set(activator.__all__) <= set(dir(activator))\n"
        "for name in activator.__all__: getattr(activator, name)\n"
        "assert activator.notify.ready() is False\n"
        "try: activator.nothing\n"
        "except AttributeError as error: assert 'nothing' in str(error)\n"
        "else: raise SystemExit('no AttributeError')"
    )
    assert "activator.runtime.serving" in loaded(code)
