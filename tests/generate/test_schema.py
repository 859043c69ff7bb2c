"""The spec's JSON Schema, the value forms it is made from, and ``activator schema``."""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from activator.common.fdname import is_fdname
from activator.errors import ActivatorError
from activator.generate.render import render
from activator.generate.schema import schema
from activator.generate.specfile import loads, names
from activator.generate.specfile.directives import write
from activator.generate.specfile.intents import TYPES, intents
from activator.generate.specfile.reader import RESERVED
from activator.unitfile import directives, forms
from activator.unitfile.directives import NEWEST, OLDEST, VERSIONS, Directive
from activator.unitfile.values import judge
from tests.generate import test_gen, test_proxy
from tests.support.facts import probes

ROOT = Path(__file__).parents[2]
EVERY = range(OLDEST, NEWEST + 1)
# Mistakes that lie outside what a schema sees: a text that is no TOML has no values, and how
# values relate to each other, to the systemd named or to the machine is for the reader.
UNSEEN = {
    "not TOML",
    "not a loopback address",
    "no directory of its own",
    "for temporary files",
    "at most 107 bytes",
    "needs systemd = 261",
    'backend = "/run/NAME/backend.sock"',
    "no network but a loopback",
    "cannot forward ListenDatagram=",
    "cannot forward ListenSequentialPacket=",
    "cannot forward ListenFIFO=",
    "are the same",
    "RuntimeDirectory=",
    "would vanish whenever the service stops",
    "is for all sockets",
    "metrics = 'a' is not a shared socket",
    "metrics takes the only shared socket",
    "it does not run exec",
    "has two of",
    "already listened on by ",
    "asgi cannot serve",
    "websocket-drain is for asgi",
    "drain-delay is for what the",
    "health is for asgi and wsgi",
    "log-level is for handler, asgi, wsgi",
    "threads is for a handler of shared sockets",
    "would serve nobody",
    "asgi cannot be served by a process for each connection",
}
# What ECMA-262 allows behind a backslash in a pattern with the flag "u".
ESCAPES = frozenset("\\^$.*+?()[]{}|/sSdDwWbBnrtx")
MISTAKES = [(text, what) for text, _, what in (*test_gen.MISTAKES, *test_proxy.MISTAKES)]


@cache
def validator(version: int | None = None) -> Draft202012Validator:
    """Return what checks a spec against the schema for a version."""
    return Draft202012Validator(schema(version))


def everything() -> list[Directive]:
    """Return all directives, each section's."""
    found = (
        directives.lookup(s, name) for s in directives.SECTIONS for name in directives.names(s)
    )
    return [directive for directive in found if directive]


def kinds() -> list[Directive]:
    """Return a directive of each form and way of repeating."""
    return list(
        {
            (d.type, d.name in forms.rows(), d.repeat, d.expanded > 0): d for d in everything()
        }.values()
    )


def node(directive: Directive, version: int | None = None) -> dict[str, Any]:
    """Return the schema of a directive, or one that takes nothing if it is not in there."""
    tree = schema_of(version)
    table = tree["properties"].get(directive.section.lower()) or tree["$defs"]["socket"]
    found: dict[str, Any] = table["properties"].get(directive.name, {"not": {}})
    return found


@cache
def schema_of(version: int | None) -> dict[str, Any]:
    """Return the schema for a version, made once."""
    return schema(version)


def fits(directive: Directive, value: Any, version: int | None = None) -> bool:
    """Tell whether a value fits the schema of a directive."""
    return not list(validator(version).descend(value, node(directive, version)))


def taken(directive: Directive, value: Any, version: int) -> bool:
    """Tell whether the reader takes a value."""
    try:
        return judge(directive, write(directive, value), version).accepted
    except ActivatorError:
        return False


def nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Yield every object of a schema."""
    if isinstance(tree, dict):
        yield tree
    for child in tree.values() if isinstance(tree, dict) else tree:
        if isinstance(child, dict | list):
            yield from nodes(child)


# --- the schema as a whole ---------------------------------------------------------------


@pytest.mark.parametrize("version", [None, *VERSIONS])
def test_it_is_a_schema(version: int | None) -> None:
    """The schema fits its meta-schema."""
    Draft202012Validator.check_schema(schema_of(version))


@pytest.mark.parametrize("path", sorted(ROOT.glob("units/*.toml")), ids=lambda path: path.stem)
def test_examples_fit(path: Path) -> None:
    """Every shipped spec fits."""
    assert [] == list(validator().iter_errors(tomllib.loads(path.read_text())))


@pytest.mark.parametrize(("text", "what"), MISTAKES, ids=[what for _, what in MISTAKES])
def test_mistakes_do_not_fit(text: str, what: str) -> None:
    """Every mistake that the reader tells is one for the schema, but for those listed."""
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        assert what in UNSEEN
        return
    assert (what in UNSEEN) == validator().is_valid(tree)


def test_every_key_is_there() -> None:
    """The spec's own keys stand with their meaning, default and values; no others do."""
    properties = schema_of(None)["properties"]
    assert list(intents()) == list(properties)
    for key, row in intents().items():
        assert row.summary == properties[key]["description"]
        assert row.default == properties[key].get("default")
    assert schema_of(None)["properties"]["mode"]["enum"] == list(intents()["mode"].values)


def test_every_key_has_its_types() -> None:
    """A value of a type that a key has not does not fit."""
    for key, row in intents().items():
        part = schema_of(None)["properties"][key]
        for value in (True, 1, 0.5, "/a:b", ["a"], {"a": "b:c"}):
            kind = type(value)
            if kind not in TYPES[row.type] and not (kind is int and float in TYPES[row.type]):
                assert list(validator().descend(value, part)), f"{key} takes {value!r}"


def test_every_directive_explains_itself() -> None:
    """What an editor shows: the summary, the values, the version, the manual page."""
    text = node(found("Socket", "PollLimitBurst"))["description"]
    assert "a whole number" in text
    assert "Default: 150 if Accept=yes, else 15" in text
    assert "Since: systemd 255" in text
    assert "Manual: systemd.socket(5)" in text
    backlog = node(found("Socket", "MaxConnections"))
    assert 64 == backlog["default"]
    assert backlog["x-taplo"]["links"]["key"].endswith("systemd.socket.html#MaxConnections=")


def found(section: str, name: str) -> Directive:
    """Return a directive that there must be."""
    directive = directives.lookup(section, name)
    assert directive
    return directive


def test_old_directives_are_marked() -> None:
    """Legacy ones are marked and name what to use; those without any effect are left out."""
    table = schema_of(None)["properties"]["unit"]["properties"]
    assert table["BindTo"]["deprecated"]
    assert "BindsTo=" in table["BindTo"]["description"]
    assert "deprecated" not in table["BindsTo"]
    assert "Capabilities" not in schema_of(None)["properties"]["service"]["properties"]


def test_a_version_limits_names_and_words() -> None:
    """--systemd leaves out what that version does not know."""
    steps, mode = found("Service", "RestartSteps"), found("Service", "RestartMode")
    assert not fits(steps, 5, 252)
    assert fits(steps, 5, 254)
    assert fits(mode, "direct", 254)
    assert not fits(mode, "debug", 254)
    assert fits(mode, "debug", 257)
    assert fits(mode, "debug")


def test_reserved_directives_are_refused_with_the_reason() -> None:
    """Accept= and its like are not to be set, and the schema says what decides them."""
    accept = node(found("Socket", "Accept"))
    assert "mode" in accept["description"]
    assert not fits(found("Socket", "Accept"), True)
    assert not fits(found("Service", "ExecStart"), "/bin/true")


def test_the_forms_of_values() -> None:
    """Booleans, lists, literal text and numbers, where they have a sense."""
    nodelay, listen = found("Socket", "NoDelay"), found("Socket", "ListenStream")
    assert all(fits(nodelay, value) for value in (True, "yes", "no", "On", 1))
    assert not any(fits(nodelay, value) for value in ("maybe", [True], 2, {"literal": "yes"}))
    assert fits(listen, ["80", "/run/a.sock", 81, {"literal": "/run/100%"}])
    assert not fits(listen, "localhost:80")
    mode = found("Socket", "SocketMode")
    assert fits(mode, "0660")
    assert not fits(mode, 0o660)
    assert fits(found("Service", "ReadWritePaths"), {"literal": ["/a b", "/c"]})
    assert not fits(found("Service", "ReadWritePaths"), {"literal": 1})
    assert not fits(found("Service", "Environment"), "A=b\nUser=root")


def test_patterns_are_portable() -> None:
    """Patterns are ECMA-262, with its flag "u" as well: no groups or escapes of Python's."""
    for part in nodes(schema_of(None)):
        pattern = part.get("pattern")
        if isinstance(pattern, str):
            assert set(re.findall(r"\\(.)", pattern)) <= ESCAPES, pattern
            assert not re.search(r"\(\?[^:]", pattern), pattern


def test_what_describes_a_key_stands_beside_any_of() -> None:
    """Editors with an older draft ignore what stands beside $ref."""
    for part in nodes(schema_of(None)):
        assert "$ref" not in part or len(part) == 1
        assert "allOf" not in part


# --- the forms of values, against the checkers ---------------------------------------------


def test_every_type_has_a_form_and_every_form_a_use() -> None:
    """The tables of types and of forms cover each other."""
    types = {directive.type for directive in everything()}
    used = types | {word.partition(":")[0] for word in types} | {d.name for d in everything()}
    assert set() == set(forms.rows()) - used
    for directive in everything():
        assert forms.form(directive).text


@pytest.mark.parametrize("directive", kinds(), ids=lambda d: f"{d.section}.{d.name}")
def test_examples_of_forms_are_taken(directive: Directive) -> None:
    """What a form names as an example is right, for the checker and for the schema."""
    form = forms.form(directive)
    if 0 < directive.until <= OLDEST or directive.type == "delegate":
        return
    assert form.examples
    for example in (*form.examples, *form.words):
        assert any(taken(directive, example, version) for version in EVERY), example
        if node(directive) != {"not": {}} and "not" not in node(directive):
            assert fits(directive, example), example


@pytest.mark.parametrize("directive", kinds(), ids=lambda d: f"{d.section}.{d.name}")
def test_limits_of_forms_are_the_checkers(directive: Directive) -> None:
    """The least and the greatest number are taken, those beyond are not."""
    form = forms.form(directive)
    if directive.ignored(NEWEST):
        return
    if form.low is not None and form.low != 0:
        assert taken(directive, str(form.low), NEWEST)
        assert not taken(directive, str(form.low - 1), NEWEST)
    if form.high is not None:
        assert taken(directive, str(form.high), NEWEST)
        assert not taken(directive, str(form.high + 1), NEWEST)


PIECES = """
    0 1 7 10 255 0x1f - + ~ ! | : / /a %i %% \\ K 8k M % ‰ . .5 s min µs infinity yes no ON SIG
    TERM RTMIN a AF_INET CAP_KILL @x vsock [::1] 127.0.0.1 " ' é = , off idle auto all tcp ipv6
    .service user.a
"""


@st.composite
def written(draw: st.DrawFn) -> tuple[Directive, Any]:
    """Return a directive and a value, often a nearly right one."""
    directive = draw(st.sampled_from(kinds()))
    form = forms.form(directive)
    pieces = st.sampled_from([" ", *PIECES.split()])
    text = st.lists(pieces, max_size=4).map("".join)
    texts = [*form.examples, *form.words, directive.default, "", "no"]
    near = st.tuples(st.sampled_from(texts), text).map("".join)
    close = st.tuples(text, st.sampled_from(texts)).map("".join)
    numbers = st.integers(-3, 70_000)
    return directive, draw(st.one_of(near, close, text, numbers))


@given(written())
@settings(max_examples=600, deadline=None)
def test_what_the_reader_takes_fits(case: tuple[Directive, Any]) -> None:
    """The schema is never stricter than the reader, where it does not mean to be."""
    directive, value = case
    table = node(directive)
    if directive.type == "mode" or "not" in table:
        return
    for version in VERSIONS:
        if taken(directive, value, version):
            assert fits(directive, value), f"{directive.name} = {value!r}"
            assert fits(directive, value, version), f"{directive.name} = {value!r}, {version}"


@pytest.mark.parametrize("version", VERSIONS)
def test_what_systemd_took_fits(version: int) -> None:
    """Lines that a real systemd took fit that version's schema; names it did not know do not."""
    for probe in (probe for probe in probes() if probe.version == version):
        directive = directives.lookup(probe.section, probe.name)
        if directive is None or (probe.section, probe.name) in RESERVED:
            continue
        if probe.outcome in ("ok", "obsolete"):
            assert fits(directive, probe.value, version), probe
        elif probe.outcome == "unknown-key":
            assert not fits(directive, probe.value, version), probe


# --- the command -------------------------------------------------------------------------


def activator(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line."""
    return subprocess.run(
        [sys.executable, "-m", "activator", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_prints_it() -> None:
    """``activator schema`` prints the schema, of one version if asked."""
    run = activator("schema")
    assert ("", 0) == (run.stderr, run.returncode)
    assert schema_of(None) == json.loads(run.stdout)
    run = activator("schema", "--systemd", "bookworm")
    assert schema_of(252) == json.loads(run.stdout)


def test_an_unknown_version_is_told() -> None:
    """A wrong --systemd is told with the option as its place."""
    run = activator("schema", "--systemd", "wheezy")
    assert (1, "") == (run.returncode, run.stdout)
    assert run.stderr.startswith("--systemd: ")


def test_a_line_that_names_the_schema_is_a_comment() -> None:
    """The line by which editors find the schema leaves the spec as it is."""
    marked = f"#:schema ./activator.schema.json\n{test_gen.GOOD}"
    assert render(loads(test_gen.GOOD)) == render(loads(marked))


@pytest.mark.parametrize(
    "name",
    ["a", "a b", "~", "a:b", "", "ä", "a\tb", "a\x7f", "x" * 255, "x" * 256],
    ids=["one", "space", "last", "colon", "none", "umlaut", "tab", "delete", "longest", "longer"],
)
def test_names_of_descriptors(name: str) -> None:
    """The runtime, specs, units and the schema take the same names of descriptors."""
    pattern = schema()["properties"]["sockets"]["propertyNames"]
    good = is_fdname(name)
    assert good == (0 < len(name) <= 255 and bool(re.fullmatch(r"[ -9;-~]+", name)))
    assert good == bool(re.search(pattern["pattern"], name) and len(name) <= pattern["maxLength"])
    assert good == (
        judge(found("Socket", "FileDescriptorName"), name).outcome == "ok" and bool(name)
    )
    try:
        names.fdname(name)
    except ActivatorError:
        assert not good
    else:
        assert good
