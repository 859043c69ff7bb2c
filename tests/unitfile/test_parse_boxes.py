"""The unit-file model, proved on every unit file that a Debian with systemd ships."""

import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from activator.unitfile import directives, refusals
from activator.unitfile.directives import NEWEST
from activator.unitfile.parse import LINE_MAX, UnitFile
from activator.unitfile.unquoting import CUNESCAPE, split_command, words
from activator.unitfile.values import judge, kept
from tests.boxes.box import Box

pytestmark = pytest.mark.each_systemd

# Prints the path and the bytes, as Latin-1, of all unit files and drop-ins.
FETCH = """
import json, pathlib
print(json.dumps({
    str(path): path.read_bytes().decode("latin-1")
    for top in ("/usr/lib/systemd/system", "/usr/lib/systemd/user")
    for path in sorted(pathlib.Path(top).rglob("*"))
    if path.is_file() and not path.is_symlink()
}))
"""
LOADER = Path(__file__).parents[1] / "boxes/inside/load_units.py"
ASK = {
    "Unit": ["Description", "Documentation", "FragmentPath", "DropInPaths"],
    "Service": ["ExecStart", "Environment"],
}
# What systemd may give up, in front of the last line.
HEADERS = ("", "[Unit", "[Unit]x", "[", "[X-a", "[Unit] ")
# A header without a name, which older versions skip.
NAMELESS = "[]"
SIZES = (LINE_MAX - 1, LINE_MAX, LINE_MAX + 1)
LONG = (
    *("#" * size for size in SIZES),
    *("X-a=" + "b" * (size - 4) for size in SIZES),
    *("X-a=" + "é" * ((size - 4) // 2) for size in SIZES),
    *("X-a=" + "b" * 600_000 + "\\\n" + "b" * (size - 600_004) for size in SIZES),
    "X-a=b\\\n#" + "x" * LINE_MAX + "\n",
    "X-a=b\\\n" + f"#{'x' * 60_000}\n" * 20,
)
# Lines that go on: white space at their ends, comments between them, ends of lines.
JOINED = (
    'Environment="A=a\\\n   b"\n',
    'Environment="A=a  \\\n\tb"\n',
    'Environment="A=a\\\n   # no\n ; no\n   b"\n',
    'Environment="A=a\\  \n   b"\n',
    'Environment="A=a\\\t\nB=b"\n',
    'Environment="A=a\\\n\n"\n',
    'Environment="A=a\\\n   \n"\n',
    'Environment="A=a\\\\\n   b"\n',
    'Environment="A=a\\\\\\\n   b"\n',
    'Environment="A=a\\\r\n  b"\r\n',
    'Environment="A=a\\\r  b"\n',
    'Environment="A=a\\\n\\\n  b"\n',
    'Environment="A=a\\\n \\\n  b"\n',
    '  Environment = "A=a"  \n',
    "Environment\\\n=A=a\n",
    "Environment=\\\n  A=a\n",
    "# comment \\\nEnvironment=A=a\n",
    'Environment="A=a\\\n[Unit]"\n',
    'Environment="A=a\x0b\\\n\x0bb"\n',
    'Environment="A=a\u00a0\\\n\u00a0b"\n',
    'Environment="A=a\\',
)


@pytest.fixture(scope="module")
def shipped(box: Box) -> dict[str, bytes]:
    """Return path and content of every unit file and drop-in of a box."""
    answer = json.loads(box.run(box.python, "-c", FETCH).stdout)
    found = {path: text.encode("latin-1") for path, text in answer.items()}
    assert len(found) > 200
    return found


def parsed(shipped: dict[str, bytes]) -> Iterator[UnitFile]:
    """Yield the unit files, parsed; their names are their paths."""
    for path, content in shipped.items():
        yield UnitFile.parse(content.decode(), path)


def test_the_same_bytes_come_back(shipped: dict[str, bytes]) -> None:
    """Every unit file and drop-in, parsed and dumped, has the same bytes."""
    assert shipped == {unit.name: unit.dump().encode() for unit in parsed(shipped)}


def test_nothing_is_skipped(shipped: dict[str, bytes]) -> None:
    """Every line is an assignment, a header, a comment or blank."""
    assert [] == [str(problem) for unit in parsed(shipped) for problem in unit.problems]


def test_every_line_is_accepted(box: Box, shipped: dict[str, bytes]) -> None:
    """Debian's units have no line that we do not know, or would call wrong."""
    found = []
    for unit in parsed(shipped):
        for entry in unit.entries:
            directive = directives.lookup(entry.section, entry.name)
            if directive is not None:
                verdict = judge(directive, entry.value, box.version)
                found += [f"{entry.place}: {verdict.message}"] if verdict.message else []
            elif entry.section in directives.SECTIONS and not entry.name.startswith("X-"):
                found.append(f"{entry.place}: {entry.name}= is unknown")
    assert [] == found


def test_no_unit_is_refused(box: Box, shipped: dict[str, bytes]) -> None:
    """What stands together in Debian's sockets and services goes together."""
    found = []
    for unit in parsed(shipped):
        if unit.name.endswith(".socket"):
            found += list(refusals.socket(unit.entries, box.version))
        if unit.name.endswith(".service"):
            found += list(refusals.service(unit.entries, box.version))
    assert [] == found


def test_systemd_reads_the_same(box: Box, shipped: dict[str, bytes]) -> None:
    """Texts, commands and variables of Debian's services are those that systemd has."""
    services = {
        PurePosixPath(path).name: UnitFile.parse(content.decode(), path)
        for path, content in shipped.items()
        if PurePosixPath(path).parent.name == "system"
        and path.endswith(".service")
        and not path.endswith("@.service")
    }
    box.write("/root/load_units.py", LOADER.read_text())
    job = json.dumps({"files": {}, "ask": dict.fromkeys(services, ASK)})
    answers = json.loads(box.run(box.python, "/root/load_units.py", input=job).stdout)
    wrong, compared = [], 0
    for name, unit in services.items():
        answer = answers[name]
        # What the box's own configuration masks, replaces or adds to is not this file alone.
        path = answer["FragmentPath"].replace("/usr/lib/", "/lib/")
        if path != unit.name.replace("/usr/lib/", "/lib/") or answer["DropInPaths"]:
            continue
        for key, value in _understood(unit).items():
            compared += 1
            told = [argv for _, argv, *_ in answer[key]] if key == "ExecStart" else answer[key]
            wrong += [] if value == told else [(name, key, value, told)]
    assert [] == wrong
    assert compared > 150


def test_files_given_up(box: Box) -> None:
    """What ends the reading of a unit, or of a drop-in, ends it here."""
    files, ask = {}, {}
    nameless = [NAMELESS] if box.version == NEWEST else []
    for number, line in enumerate((*HEADERS, *nameless, *LONG)):
        base = "[Service]\nExecStart=/bin/true\n[Unit]\n"
        text = f"Description=first\n{line}\n[Unit]\nDescription=second\n"
        files[f"given{number}.service"] = base + text
        files[f"up{number}.service"] = base
        files[f"up{number}.service.d/x.conf"] = f"[Unit]\n{text}"
        for name in (f"given{number}.service", f"up{number}.service"):
            ask[name] = {"Unit": ["LoadState", "Description"]}
    box.write("/root/load_units.py", LOADER.read_text())
    job = json.dumps({"files": files, "ask": ask})
    answers = json.loads(box.run(box.python, "/root/load_units.py", input=job).stdout)
    ours: dict[str, dict[str, str | None]] = {}
    for name, answer in answers.items():
        unit = UnitFile.parse(files[name])
        drop_in = UnitFile.parse(files.get(f"{name}.d/x.conf", files[name]))
        state = "error" if unit.broken else "loaded"
        ours[name] = {"LoadState": state, "Description": drop_in.get("Unit", "Description")}
        if unit.broken:
            ours[name]["Description"] = answer["Description"]
    assert answers == ours
    assert {"error", "loaded"} == {answer["LoadState"] for answer in answers.values()}


def test_joined_lines(box: Box) -> None:
    """What a line that goes on says is the same here and there."""
    base = "[Service]\nExecStart=/bin/true\n"
    files = {f"joined{number}.service": base + text for number, text in enumerate(JOINED)}
    box.write("/root/load_units.py", LOADER.read_text())
    ask = {name: {"Service": ["Environment"]} for name in files}
    job = json.dumps({"files": files, "ask": ask})
    answers = json.loads(box.run(box.python, "/root/load_units.py", input=job).stdout)
    directive = directives.lookup("Service", "Environment")
    assert directive is not None
    wrong = []
    for name, text in files.items():
        values = UnitFile.parse(text).get_all("Service", "Environment")
        ours = [word for value in values for word in kept(directive, value, box.version)]
        told = answers[name]["Environment"]
        wrong += [] if ours == told else [(text.removeprefix(base), ours, told)]
    assert not wrong, "\n".join(map(str, wrong))


def _understood(unit: UnitFile) -> dict[str, Any]:
    """Return what we make of a service, without what holds specifiers: those are not ours."""

    def values(section: str, name: str) -> list[str]:
        return unit.get_all(section, name)

    found: dict[str, Any] = {
        "Description": unit.get("Unit", "Description"),
        "Documentation": [
            word for value in values("Unit", "Documentation") for word in words(value)
        ],
        "ExecStart": [
            list(command.argv)
            for value in values("Service", "ExecStart")
            for command in split_command(value)
        ],
        "Environment": [
            word for value in values("Service", "Environment") for word in words(value, CUNESCAPE)
        ],
    }
    return {key: value for key, value in found.items() if value and "%" not in str(value)}
