"""Quoting, proved: the booted systemd understands what the spec said, to the letter."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from activator.errors import ActivatorError
from activator.generate import specfile
from activator.generate.render import Renderer
from activator.unitfile.quoting import assignment, command
from activator.unitfile.unquoting import VARIABLE, split_command, unescape, words
from tests.boxes.box import Box

LOADER = Path(__file__).parents[1] / "boxes/inside/load_units.py"
EXAMPLES = 2_000
# Commands that are really started: each takes this many of the arguments and variables.
STARTS = 20

# What tends to go wrong, beside arbitrary Unicode.
TRICKY = st.sampled_from(
    [
        *("%", "%%", "%i", "$", "$$", "$HOME", "${HOME}", '"', "'", "\\", "\\x41", ";", "#"),
        *("-", "@", "+", "!", ":", "=", " ", "\t", "\x01", "\x7f", "\n", "\r", "\\\n"),
        *("é", "\U0001f600", "\u2028"),
    ]
)
ANY = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)
TEXT = st.one_of(
    ANY,
    st.lists(TRICKY, max_size=12).map("".join),
    st.builds("{}{}".format, st.lists(TRICKY, max_size=4).map("".join), ANY),
)
# One in a hundred or so is 4 KiB long.
TEXT = st.builds(lambda text, n: (text * 4096)[:4096] if n == 0 else text, TEXT, st.integers(0, 99))
LINE = TEXT.map(lambda text: text.replace("\n", " ").replace("\r", " ").strip(" \t"))
FDNAME = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0x7E, exclude_characters=":"), min_size=1
).filter(lambda text: text == text.strip())
# systemd simplifies paths; only names that stay as they are can be compared.
NAME = LINE.map(lambda text: text.replace("/", "")[:40]).filter(lambda text: text.strip(". "))
SAMPLE = st.fixed_dictionaries(
    {
        "description": LINE,
        "fdname": FDNAME,
        "directory": NAME,
        "node": NAME.map(lambda text: text.encode()[:60].decode(errors="ignore").strip()).filter(
            lambda text: text.strip(". ")
        ),
        "paths": st.lists(NAME, min_size=1, max_size=3),
        "arguments": st.lists(TEXT, max_size=4),
        "variables": st.lists(TEXT, max_size=3),
    }
)


@cache
def samples() -> tuple[dict[str, Any], ...]:
    """Return the examples, those alone that a unit file can hold."""
    found: list[dict[str, Any]] = []

    @given(SAMPLE)
    @settings(
        max_examples=EXAMPLES + 400,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def collect(sample: dict[str, Any]) -> None:
        try:
            specfile.from_options(tree("x", sample), {})
        except ActivatorError as error:
            # Where no escape exists, two things cannot be written on one line.
            assert "ends with" in str(error)  # noqa: PT017 - other errors are ours
        else:
            found.append(sample)

    collect()
    assert len(found) >= EXAMPLES
    return tuple(found[:EXAMPLES])


def tree(name: str, sample: dict[str, Any]) -> dict[str, Any]:
    """Return the spec that a sample asks for."""
    return {
        "name": name,
        "description": sample["description"],
        "exec": ["/usr/bin/true", *sample["arguments"]],
        "environment": {f"V{n}": value for n, value in enumerate(sample["variables"])},
        "sockets": {
            sample["fdname"]: {"ListenStream": {"literal": f"/run/t/{sample['node']}"}},
        },
        "service": {
            "WorkingDirectory": {"literal": f"/srv/{sample['directory']}"},
            "ReadOnlyPaths": {"literal": [f"/srv/{path}" for path in sample["paths"]]},
        },
    }


def expected(name: str, sample: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return what systemd must say of the units."""
    return {
        f"{name}.socket": {
            "FileDescriptorName": sample["fdname"],
            "Listen": [["Stream", f"/run/t/{sample['node']}"]],
        },
        f"{name}.service": {
            "Description": sample["description"] or name,
            "Environment": [f"V{n}={value}" for n, value in enumerate(sample["variables"])],
            "WorkingDirectory": f"/srv/{sample['directory']}",
            "ReadOnlyPaths": [f"/srv/{path}" for path in sample["paths"]],
            "ExecStart": ["/usr/bin/true", *sample["arguments"]],
        },
    }


ASK = {
    ".socket": {"Socket": ["FileDescriptorName", "Listen"]},
    ".service": {
        "Unit": ["Description"],
        "Service": ["Environment", "WorkingDirectory", "ReadOnlyPaths", "ExecStart"],
    },
}


def simplified(answers: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the answers without what D-Bus adds.

    ExecStart= is reported with more than its arguments, and before $$ has become a dollar;
    the path of a socket is reported with C escapes.
    """
    for answer in answers.values():
        for address in answer.get("Listen", ()):
            address[1] = unescape(address[1])
        if "ExecStart" in answer:
            ((_, argv, *_),) = answer["ExecStart"]
            answer["ExecStart"] = [word.replace("$$", "$") for word in argv]
    return answers


def test_systemd_reads_what_was_written(box: Box) -> None:
    """2,000 specs of hostile text: systemd reports every value as the spec gave it."""
    renderer = Renderer()
    files: dict[str, str] = {}
    wanted: dict[str, dict[str, Any]] = {}
    for number, sample in enumerate(samples()):
        name = f"quoting-{number}"
        files |= renderer.render(specfile.from_options(tree(name, sample), {}))
        wanted |= expected(name, sample)
    ask = {unit: ASK[unit[unit.rindex(".") :]] for unit in wanted}
    box.write("/root/load_units.py", LOADER.read_text())
    job = json.dumps({"files": files, "ask": ask})
    run = box.run(box.python, "/root/load_units.py", input=job, timeout=600)
    answers = simplified(json.loads(run.stdout))
    wrong = [
        (unit, name, value, answers[unit][name])
        for unit, values in wanted.items()
        for name, value in values.items()
        if value != answers[unit][name]
    ]
    if wrong:
        shortest = min(wrong, key=lambda found: len(str(found)))
        pytest.fail(f"{len(wrong)} values differ, among them {shortest!r}", pytrace=False)


@pytest.mark.each_systemd
def test_programs_get_what_was_written(box: Box) -> None:
    """Started for real, a program has the arguments and variables that the spec gave."""
    arguments = [text for sample in samples() for text in sample["arguments"]]
    variables = [text for sample in samples() for text in sample["variables"]]
    arguments, variables = (sorted(set(texts), key=len)[:1500] for texts in (arguments, variables))
    program = (
        "import json, os, sys; print(json.dumps([sys.argv[2:], "
        "[os.environ[f'V{n}'] for n in range(int(sys.argv[1]))]]), file=open(sys.argv[-1], 'w'))"
    )
    renderer = Renderer()
    wanted: dict[str, list[list[str]]] = {}
    files: dict[str, str] = {}
    for number in range(STARTS):
        words, values = arguments[number::STARTS], variables[number::STARTS]
        path = f"/run/quoting-{number}.json"
        made = renderer.render(
            specfile.from_options(
                {
                    "name": f"quoting-run-{number}",
                    "hardening": "none",
                    "exec": ["/usr/bin/python3", "-c", program, str(len(values)), *words, path],
                    "environment": {f"V{n}": value for n, value in enumerate(values)},
                    "sockets": {"s": {"ListenStream": f"/run/quoting-{number}.sock"}},
                    "service": {"Type": "oneshot", "Restart": "no"},
                },
                {},
            )
        )
        files |= made
        wanted[path] = [[*words, path], values]
    with box.units(files):
        names = [name for name in files if name.endswith(".service")]
        box.systemctl("start", *names)
        for path, told in wanted.items():
            assert told == json.loads(box.read(path))


@pytest.mark.each_systemd
def test_escapes_are_undone_as_systemd_does(box: Box) -> None:
    """Unknown escapes, bytes, open quotes: a program gets from systemd what we read."""
    arguments = r"""a\;b \; \q \x00 \xff \xc3\xa9 \U0000d800 \777 \101\x41\u00e9 "a\qb" 'c d'e"""
    variables = ['u"n c', r"t\nx", 'a "b c', r"""q"r s"t\nu v""", "'a' \"\" b\\", "\\", "'"]
    program = "import json, sys; json.dump(sys.argv[1:], open('/run/escapes.json', 'w'))"
    lines = [
        "[Service]",
        "Type=oneshot",
        *(
            f"Environment={assignment(f'V{number}', value)}"
            for number, value in enumerate(variables)
        ),
        f"ExecStart={command(['/usr/bin/python3', '-c', program])} {arguments}"
        + "".join(f" $V{number}" for number in range(len(variables))),
    ]
    with box.units({"escapes.service": "\n".join(lines)}):
        box.systemctl("start", "escapes.service")
        told = json.loads(box.read("/run/escapes.json"))
    (expected,) = split_command(f"/bin/x {arguments}")
    split = [word for value in variables for word in words(value, VARIABLE)]
    assert told == [*expected.argv[1:], *split]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("description", "a\0b"),
        ("description", "a\ud800"),
        ("description", "a\nb"),
        ("exec", ["/bin/x", "a\0b"]),
        ("exec", ["/bin/x", "\udfff"]),
        ("environment", {"A": "a\0b"}),
        ("environment", {"A": "\ud800"}),
    ],
)
def test_what_no_unit_can_hold_is_refused(key: str, value: Any) -> None:
    """NUL and invalid Unicode are clean errors wherever they stand."""
    plain = {"name": "x", "exec": "/bin/x", "sockets": {"s": {"ListenStream": 80}}}
    with pytest.raises(ActivatorError):
        specfile.from_options({**plain, key: value}, {})
