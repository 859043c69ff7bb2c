"""The Ansible collection: what it is built of, what its modules say, and what they do to a root."""

import json
import os
import re
import runpy
import subprocess
import sys
import tarfile
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activator.version import __version__
from tests.support.tree import ROOT

yaml = pytest.importorskip("yaml")
pytest.importorskip("ansible")

COLLECTION = ROOT / "packaging/ansible"
MODULES = ("haproxy_server", "service", "sockets_facts")
PROGRAM = Path(sys.executable).with_name("activator")
SPEC = {
    "handler": "activator.examples.echo:echo",
    "sockets": {"echo": {"ListenStream": ["127.0.0.1:7777", "/run/echo.sock"]}},
}
toml = SimpleNamespace(**runpy.run_path(str(COLLECTION / "plugins/module_utils/toml.py")))

Told = dict[str, Any]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Return the variables by which Python and Ansible find the collection, and no other."""
    there = tmp_path / "collections/ansible_collections/activator"
    there.mkdir(parents=True)
    (there / "systemd").symlink_to(COLLECTION)
    path = str(tmp_path / "collections")
    return {
        "ANSIBLE_COLLECTIONS_PATH": path,
        "ANSIBLE_HOME": str(tmp_path / "home"),
        "ANSIBLE_NOCOLOR": "1",
        "HOME": str(tmp_path),
        "LANG": "C.UTF-8",
        "PATH": f"{PROGRAM.parent}:{os.environ['PATH']}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": path,
    }


@pytest.fixture
def module(environment: dict[str, str]) -> Callable[..., Told]:
    """Return a function that runs a module as a host does, and returns what it tells."""

    def run(module: str, *, check: bool = False, **arguments: object) -> Told:
        flags = {"_ansible_check_mode": check, "_ansible_diff": True}
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                f"ansible_collections.activator.systemd.plugins.modules.{module}",
            ],
            input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments | flags}),
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        told: Told = json.loads(done.stdout)
        assert ("", int(told.get("failed", False))) == (done.stderr, done.returncode)
        return told

    return run


def text(name: str) -> dict[str, Any]:
    """Return what a module says of itself, and its arguments."""
    return runpy.run_path(str(COLLECTION / f"plugins/modules/{name}.py"), init_globals={})


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Return each module's names."""
    monkeypatch.syspath_prepend(environment["PYTHONPATH"])
    return {name: text(name) for name in MODULES}


def test_it_is_built_whole(environment: dict[str, str], tmp_path: Path) -> None:
    """The archive has every file of the collection, under the toolkit's version."""
    command = ["ansible-galaxy", "collection", "build", str(COLLECTION), "--output-path"]
    done = subprocess.run(
        [*command, str(tmp_path)], env=environment, capture_output=True, text=True, check=False
    )
    assert 0 == done.returncode, done.stderr
    with tarfile.open(tmp_path / f"activator-systemd-{__version__}.tar.gz") as archive:
        packed = {member.name for member in archive if member.isfile()}
    files = (path for path in COLLECTION.rglob("*") if path.is_file() and path.suffix != ".pyc")
    own = {str(path.relative_to(COLLECTION)) for path in files} - {"galaxy.yml"}
    assert own | {"MANIFEST.json", "FILES.json"} == packed


def test_arguments_are_those_that_are_described(said: dict[str, dict[str, Any]]) -> None:
    """Names, types, defaults and choices are the same, and the examples use no others."""
    for name, its in said.items():
        options = yaml.safe_load(its["DOCUMENTATION"])["options"]
        keys = ("type", "elements", "default", "choices", "required")
        described = {
            option: {key: row[key] for key in keys if key in row} for option, row in options.items()
        }
        assert its["ARGUMENTS"] == described
        assert name == yaml.safe_load(its["DOCUMENTATION"])["module"]
        used = [task.get(f"activator.systemd.{name}") for task in yaml.safe_load(its["EXAMPLES"])]
        assert any(used)
        assert {option for words in used if words for option in words} <= set(options)


def test_variables_of_the_role_are_described() -> None:
    """Each default is the one that is told, and each variable of a task is known."""
    role = COLLECTION / "roles/rollout"
    (spec,) = yaml.safe_load((role / "meta/argument_specs.yml").read_text())[
        "argument_specs"
    ].values()
    told = {name: row["default"] for name, row in spec["options"].items() if "default" in row}
    assert yaml.safe_load((role / "defaults/main.yml").read_text()) == told
    tasks = "".join(path.read_text() for path in role.glob("tasks/*.yml"))
    own = set(re.findall(r"(?:register|loop_var): (\w+)|^ +(rollout_\w+):", tasks, re.MULTILINE))
    used = set(re.findall(r"\brollout_\w+", tasks))
    assert used - {name for pair in own for name in pair} <= set(spec["options"])


def test_ansible_shows_them(environment: dict[str, str]) -> None:
    """`ansible-doc` reads what the modules say."""
    names = [f"activator.systemd.{name}" for name in MODULES]
    done = subprocess.run(
        ["ansible-doc", "--type", "module", "--json", *names],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    shown = json.loads(done.stdout)
    assert names == list(shown)
    for entry in shown.values():
        assert __version__ == entry["doc"]["version_added"]
        assert entry["return"]


def test_what_it_returns_is_described(
    module: Callable[..., Told], said: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    """Every key that a task can register has its words, and every word its key."""
    told = module("service", spec=SPEC, name="echo", root=str(tmp_path), check=True)
    described = yaml.safe_load(said["service"]["RETURN"])
    assert set(described) == set(told) - {"changed", "diff", "invocation"}
    assert set(described["units"]["contains"]) == set(told["units"][0])


def test_a_root_is_brought_up_to_date(module: Callable[..., Told], tmp_path: Path) -> None:
    """Check mode tells exactly what is then done; a second time, nothing is."""
    root = tmp_path / "image"
    root.mkdir()
    words = {"name": "echo", "root": str(root)}
    planned = module("service", spec=SPEC, check=True, **words)
    assert [] == list(root.iterdir())
    done = module("service", spec=SPEC, **words)
    units = f"{root}/etc/systemd/system"
    commands = [f"write {units}/echo.socket", f"write {units}/echo.service", "enable echo.socket"]
    assert (True, commands) == (done["changed"], done["commands"])
    for one in done["diff"]:
        assert Path(one["after_header"]).read_text() == one["after"]
    for told in (planned, done):
        told.pop("invocation")
    assert planned == done

    again = module("service", spec=SPEC, **words)
    assert (False, [], []) == (again["changed"], again["commands"], again["diff"])

    module("service", state="absent", check=True, **words)
    assert Path(units, "echo.socket").exists()
    assert module("service", state="absent", **words)["changed"]
    assert not Path(units, "echo.socket").exists()
    assert not module("service", state="absent", **words)["changed"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"executable": "no-such-activator"}, "install Debian's package 'activator' there"),
        ({"spec": SPEC | {"backlog": None}}, "spec: backlog is nothing, which TOML has not"),
        ({"spec": SPEC | {"mode": "wat"}}, "echo.toml:"),
        ({"spec": SPEC | {"name": "else"}}, "name is 'echo', and that of the spec is 'else'"),
        ({"src": "/no/such/echo.toml", "spec": None}, "is not a file on this host"),
        ({"state": "restarted"}, "with --root, nothing is restarted"),
    ],
    ids=["executable", "null", "value", "name", "src", "state"],
)
def test_mistakes_are_a_line(
    module: Callable[..., Told], tmp_path: Path, arguments: Told, message: str
) -> None:
    """What is wrong is told in one line, and nothing is done."""
    words: Told = {"name": "echo", "root": str(tmp_path), "spec": SPEC}
    given = {key: value for key, value in (words | arguments).items() if key != "spec" or value}
    told = module("service", **given)
    assert told["failed"]
    assert message in told["msg"]
    assert 1 == len(told["msg"].splitlines())
    assert not (tmp_path / "etc").exists()


def test_an_older_activator_is_told_of(module: Callable[..., Told], tmp_path: Path) -> None:
    """One that does not know an option is named as that, in a line."""
    old = tmp_path / "old"
    old.write_text(
        "#!/bin/sh\nprintf 'Usage: activator\\n\\nError: No such option: --x\\n' >&2\nexit 2"
    )
    old.chmod(0o755)
    told = module("service", spec=SPEC, name="echo", executable=str(old))
    refused = "refuses how it is called, so it may be too old: Error: No such option: --x"
    assert f"{old} {refused}" == told["msg"]


VALUES = st.recursive(
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), VALUES, max_size=4))
def test_yaml_becomes_the_same_toml(tree: dict[str, Any]) -> None:
    """Whatever a playbook holds is read back as it is."""
    assert tree == tomllib.loads(toml.dumps(tree))
