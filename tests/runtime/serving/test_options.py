"""The command line of ``activator serve``: options, and handlers by name."""

import sys
from pathlib import Path
from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from activator.cli.serve import command
from activator.errors import ActivatorError, UsageError
from activator.runtime import options
from activator.runtime.serving.load import load
from activator.runtime.serving.options import BY_NAME, DRAIN, LOOP, OPTIONS, THREADS
from activator.runtime.serving.settings import Settings

DEFAULTS = {option.name: option.default for option in OPTIONS}
CHOSEN: dict[str, tuple[str, Any]] = {
    "drain": ("7", 7.0),
    "loop": ("uvloop", "uvloop"),
    "threads": ("5", 5),
    "idle-exit": ("0.5", 0.5),
    "max-connections": ("9", 9),
    "max-per-source": ("2", 2),
    "message-max": ("100", 100),
    "app-dir": ("/", "/"),
}


def parse(words: list[str]) -> tuple[dict[str, Any], list[str]]:
    """Read a command line of ``activator serve``."""
    return options.parse(words, OPTIONS)


def test_defaults() -> None:
    """Without options, the values are the table's."""
    assert (DEFAULTS, ["m:h"]) == parse(["m:h"])
    assert (DRAIN, LOOP, THREADS) == tuple(DEFAULTS[name] for name in ("drain", "loop", "threads"))


def test_both_spellings() -> None:
    """An option takes its value after a space or an equals sign; the last one counts."""
    values, others = parse(["--drain", "1", "m:h", "--threads=3", "--drain=2.5", "--", "--loop"])
    assert {**DEFAULTS, "drain": 2.5, "threads": 3} == values
    assert ["m:h", "--loop"] == others


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--dran", "1"], "no such option: '--dran'; did you mean --drain?"),
        (["--xyzzy", "1"], "no such option: '--xyzzy'; there are --drain, --loop, --threads, "),
        (["-d", "1"], "no such option: '-d'; "),
        (["--=1"], "no such option: '--'; "),
        (["--drain"], "--drain: needs a value: SECONDS"),
        (["--drain="], "--drain: needs a value: SECONDS"),
        (["--drain", "soon"], "--drain: not a number of seconds: 'soon'; "),
        (["--drain", "-1"], "--drain: not a number of seconds: '-1'; "),
        (["--drain", "inf"], "--drain: not a number of seconds: 'inf'; "),
        (["--drain", "nan"], "--drain: not a number of seconds: 'nan'; "),
        (["--threads", "0"], "--threads: not a number from 1 to 999999: '0'"),
        (["--threads", "²"], "--threads: not a number from 1 to 999999: '²'"),
        (["--loop", "qt"], "--loop: no such loop: 'qt'; there are auto, asyncio, uvloop"),
        (["--app-dir", "/nowhere"], "--app-dir: not a directory: '/nowhere'"),
    ],
)
def test_wrong_usage(words: list[str], message: str) -> None:
    """Wrong usage says which option and what is wrong, and what would be right."""
    with pytest.raises(UsageError) as caught:
        parse(words)
    assert str(caught.value).startswith(message)


WORDS = st.sampled_from([f"--{name}" for name in BY_NAME] + ["--", "-", "1", "auto", "m:h"])


@given(st.lists(WORDS | st.text(max_size=8) | st.builds("{}={}".format, WORDS, st.text())))
def test_any_words(words: list[str]) -> None:
    """Whatever the words, they are read or refused in one error with a place or a hint."""
    try:
        values, others = parse(words)
    except UsageError as error:
        problem = error
    else:
        assert DEFAULTS.keys() == values.keys()
        assert set(others) <= set(words)
        settings = Settings(**{BY_NAME[name].attribute: value for name, value in values.items()})
        assert values == {name: getattr(settings, BY_NAME[name].attribute) for name in BY_NAME}
        return
    assert problem.place or problem.hint
    assert 1 == len(str(problem).splitlines())


@given(st.dictionaries(st.sampled_from(sorted(CHOSEN)), st.none()), st.booleans())
def test_values_come_through(chosen: dict[str, None], joined: bool) -> None:  # noqa: FBT001
    """Both spellings give the same values, in any order."""
    texts = {name: text for name, (text, _) in CHOSEN.items()}
    expected = {name: value for name, (_, value) in CHOSEN.items()}
    words: list[str] = []
    for name in chosen:
        words += [f"--{name}={texts[name]}"] if joined else [f"--{name}", texts[name]]
    assert ({**DEFAULTS, **{name: expected[name] for name in chosen}}, []) == parse(words)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("drain", -1),
        ("drain", float("nan")),
        ("loop", "qt"),
        ("threads", 0),
        ("idle_exit", -1),
        ("idle_exit", float("inf")),
        ("max_connections", -1),
        ("max_per_source", -1),
        ("message_max", 0),
    ],
)
def test_settings(name: str, value: object) -> None:
    """Values given in Python are checked too."""
    good: dict[str, Any] = {"drain": 1.0, "loop": "auto", "threads": 1, name: value}
    with pytest.raises(UsageError, match=f"^{name}: "):
        Settings(**good)


def test_help_has_the_same_options() -> None:
    """What click shows and completes is the table that the runtime reads."""
    shown = {p.opts[0]: p for p in command.params if isinstance(p, click.Option)}
    assert {f"--{option.name}" for option in OPTIONS} == shown.keys()
    assert isinstance(shown["--loop"].type, click.Choice)


def test_settings_do_not_change() -> None:
    """Settings are immutable; others are made from them, and a misspelt one is refused."""
    settings = Settings(drain=1.0)
    with pytest.raises(AttributeError, match="do not change: drain=2"):
        settings.drain = 2.0
    assert (1.0, 2.0) == (settings.drain, settings.but(drain=2.0).drain)
    assert settings.but(drain=2.0).batch == settings.batch
    with pytest.raises(TypeError, match="no such setting: 'drian'"):
        Settings(drian=1.0)


# MODULE:HANDLER.


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a directory of modules that are forgotten afterwards."""
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("pkg_a", "mod_a", "mod_b"):
        monkeypatch.delitem(sys.modules, name, raising=False)
        monkeypatch.delitem(sys.modules, f"{name}.inner", raising=False)
    return tmp_path


def error_of(*words: str) -> ActivatorError:
    """Return the error of words that cannot be loaded."""
    with pytest.raises(ActivatorError) as caught:
        load(words)
    assert 1 == len(str(caught.value).splitlines())
    return caught.value


def test_one_and_several() -> None:
    """One handler is itself, several are a mapping; a name may have an equals sign in it."""
    from tests.support import handlers  # noqa: PLC0415 - the module as load() finds it

    module = "tests.support.handlers"
    assert handlers.a_echo is load([f"{module}:a_echo"])
    assert handlers.an_object.method == load([f"{module}:an_object.method"])
    assert {"x": handlers.a_echo, "y=z": handlers.p_echo} == load(
        [f"x={module}:a_echo", f"y=z={module}:p_echo"]
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "no handler given; activator serve MODULE:HANDLER"),
        (["m"], "not MODULE:HANDLER: 'm'; for example"),
        (["m:"], "not MODULE:HANDLER: 'm:'"),
        (["m/x.py:h"], "not MODULE:HANDLER: 'm/x.py:h'"),
        (["a:b:c"], "not MODULE:HANDLER: 'a:b:c'"),
        (["..a:b"], "not MODULE:HANDLER: '..a:b'"),
        (["m:a", "m:b"], "no fdname: 'm:a'; with several handlers, each is FDNAME=MODULE:HANDLER"),
        (["=m:a"], "no fdname: '=m:a'"),
        (["a=json:loads", "a=json:dumps"], "the fdname 'a' is given twice"),
    ],
)
def test_wrong_words(words: list[str], message: str) -> None:
    """Words of another form are wrong usage."""
    error = error_of(*words)
    assert str(error).startswith(message)
    assert 2 == error.status


def test_no_such_module(modules: Path) -> None:
    """A module that is not there is named, the outermost one that is missing."""
    (modules / "mod_a.py").touch()
    assert "there is no module 'nope_a'; --app-dir DIR" in str(error_of("nope_a.b.c:h"))
    assert "there is no module 'mod_a.b'" in str(error_of("mod_a.b:h"))
    assert 1 == error_of("nope_a:h").status


def test_module_that_fails(modules: Path) -> None:
    """An import error inside a module is told from a missing module, with its line."""
    path = modules / "mod_a.py"
    path.write_text("x = 1\nimport nope_b\n")
    assert f"{path}:2: cannot load mod_a: ModuleNotFoundError: No module named 'nope_b'" == str(
        error_of("mod_a:h")
    )
    path.write_text("def f():\n    raise OSError('two\\nlines')\nf()\n")
    assert f"{path}:2: cannot load mod_a: OSError: two lines" == str(error_of("mod_a:h"))
    (modules / "mod_b.py").write_text("def f(:\n")
    assert f"{modules}/mod_b.py:1: cannot load mod_b: SyntaxError: invalid syntax" == str(
        error_of("mod_b:h")
    )


def test_no_such_handler(modules: Path) -> None:
    """A handler that is not there comes with those that are."""
    (modules / "mod_a.py").write_text(
        "from json import loads\nx = 1\ndef one(s): ...\ndef _two(s): ...\nclass Three: ...\n"
    )
    assert "mod_a has no 'h'; it has one, Three" == str(error_of("mod_a:h"))
    assert "mod_a has no 'x.y'" == str(error_of("mod_a:x.y"))
    assert str(error_of("mod_a:x")).startswith("mod_a:x is not a handler but int; it must be ")
