"""What systemd says of a unit when it loads it: the same judgement offline, for each version."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from activator.check import check
from activator.check.catalogue import lookup
from activator.check.units import ERROR, INFO, WARNING, Finding
from activator.check.world import Texts
from activator.unitfile.directives import VERSIONS
from tests.support.check import of_text
from tests.support.facts import Case, Probe, cases, probes, rows

# Case → why it is no error here.
EXCEPTIONS = {
    # A single file says nothing about what else is installed; with a root it is an error.
    "unit-BindTo=a.service": "dependency-missing",
}
# The files that lie beside a case's unit.
BESIDE = {
    row["case"]: [name for name in row["other_files"].split(",") if name]
    for row in rows("verify-cases.tsv")
}
SERVICE = "[Service]\nExecStart=/bin/true\n"
# What a probed line needs in order to be right, and is not about the line itself.
CONTEXT = {
    "Type=dbus": "BusName=org.example.Test\n",
    "RefreshOnReload=credentials": "SetCredential=a:b\n",
    "RefreshOnReload=extensions": "ExtensionDirectories=/srv/a.v\n",
}


def said(texts: Mapping[str, str], version: int) -> list[Finding]:
    """Return what the rules of the loader say of the first of some units."""
    world = Texts(texts, version)
    world.checked = world.checked[:1]
    return [one.finding for one in check(world) if one.finding.rule < "ACT2"]


def assert_agrees(outcomes: frozenset[str], findings: list[Finding]) -> None:
    """Check that findings are as grave as what systemd did."""
    severities = {finding.severity for finding in findings} - {INFO}
    if outcomes == {"ok"}:
        assert set() == severities, findings
    elif all(outcome.endswith(("notice", "obsolete")) for outcome in outcomes):
        assert severities & {WARNING, ERROR}
    else:
        assert ERROR in severities, outcomes


@pytest.mark.parametrize("case", cases(), ids=str)
def test_a_unit_is_judged_as_systemd_did(case: Case) -> None:
    """Each unit that the real parsers were given is found as grave, with the files beside it."""
    name = "t.socket" if "[Socket]" in case.text else "t.service"
    texts = {name: case.text, **dict.fromkeys(BESIDE[case.name], SERVICE)}
    if EXCEPTIONS.get(case.name) in case.outcomes:
        assert {INFO} == {finding.severity for finding in said(texts, case.version)}
    else:
        assert_agrees(case.outcomes, said(texts, case.version))


@pytest.mark.parametrize("probe", probes(), ids=str)
def test_a_line_is_judged_as_systemd_did(probe: Probe) -> None:
    """Each line that the real parsers were asked about is found as grave, in a whole unit."""
    line = f"{probe.name}={probe.value}"
    text = f"[{probe.section}]\n{line}\n{CONTEXT.get(line, '')}"
    if probe.section == "Socket":
        text = f"[Socket]\nListenStream=/run/t.sock\n{text}"
        texts = {"t.socket": text, "t.service": SERVICE, "t@.service": SERVICE}
    else:
        texts = {"t.service": SERVICE + text}
    assert_agrees(frozenset([probe.outcome]), said(texts, probe.version))


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("t.service", "[Servce]\nA=1\n" + SERVICE, "1:1 ACT101 did you mean [Service]?"),
        ("t.service", SERVICE + "[Socket]\nA=1\n", "3:1 ACT101 move it to a .socket"),
        ("t.service", SERVICE + "[X-Mine]\nA=1\nX-B=1\n", ""),
        ("t.service", SERVICE + "X-A=1\n", ""),
        ("t.service", SERVICE + "[Unit]\n After = a.service\nRestrt=no\n", "5:1 ACT102"),
        ("t.service", SERVICE + "  Restrat=no\n", "3:3 ACT102 did you mean Restart=?"),
        ("t.service", SERVICE + "restart=no\n", "3:1 ACT102 did you mean Restart=?"),
        ("t.service", SERVICE + "ListenStream=1\n", "3:1 ACT102 belongs in [Socket]"),
        ("t.service", SERVICE + "ExecReloadPost=/bin/a\n", "3:1 ACT103 needs 259"),
        ("t.service", "Restart=no\n" + SERVICE, "1:1 ACT104"),
        ("t.service", SERVICE + "Restart\n", "3:1 ACT105"),
        ("t.service", SERVICE + "[Install\n", "3:1 ACT105 end it with ]"),
        ("t.service", SERVICE + "Restart = \t maybe\n", "3:13 ACT106"),
        ("t.service", SERVICE + "Environment=A=1 \\\n  nope\n", "3:13 ACT106"),
        ("t.service", SERVICE + "UMask=077 # x\n", "3:7 ACT106 line of its own"),
        ("t.service", SERVICE + "ExecStart=/bin/b\n", "3:11 ACT107 Type=oneshot"),
        ("t.service", "[Service]\nRestart=no\n", "1:1 ACT107 add ExecStart="),
        ("t.service", SERVICE + "StandardOutput=syslog\n", "3:16 ACT108"),
        ("t.service", SERVICE + "NetClass=1\n", "3:1 ACT109 remove"),
        ("t.service", SERVICE + "PIDFile=/var/run/a.pid\n", "3:9 ACT114 /run/a.pid"),
        ("t.service", SERVICE + "PIDFile=/srv/var/run/a.pid\n", ""),
        ("t.service", SERVICE + "Environment=A=/var/run/a.pid\n", ""),
        ("t.timer", "[Timer]\nOnCalendar=daily\nPersistent=yes\n", ""),
        (
            "t.timer",
            "[Timer]\nOnBootSec=5\nOnCalender=daily\n",
            "3:1 ACT102 did you mean OnCalendar=?",
        ),
        ("t.timer", "[Timer]\nOnBootSec=5\nOnBootSec=5x\n", "3:11 ACT106"),
        ("t.timer", "[Timer]\nOnBootSec=\n", "1:1 ACT107 add OnCalendar="),
        ("t.timer", "[Timer]\nOnBootSec=5\nOnCalendar=25:00\n", "3:12 ACT106"),
        ("t.mount", "[Mount]\nWhat=a\nWhere=/t\nExecPaths=/a\nMemoryMax=1M\n", ""),
        ("t.mount", "[Mount]\nWhat=a\nWhere=/t\nListenStream=1\n", "4:1 ACT102"),
        ("t.slice", "[Slice]\nMemoryMax=1M\nCPUWeight=5\n", ""),
        ("t.slice", "[Slice]\nNice=5\n", "2:1 ACT102"),
        ("t.path", "[Path]\nPathExists=/a\nPathExists=run\n", "3:12 ACT106"),
        ("t.target", "[Unit]\nAllowIsolate=yes\n", ""),
        ("t.target", "[Target]\nA=1\n", "2:1 ACT102"),
    ],
)
def test_a_line_is_found_at_its_place(name: str, text: str, found: str) -> None:
    """Line, column, rule and hint of what systemd skips, in units of several types."""
    findings = of_text(text, name, 257)
    findings = [one for one in findings if one.rule < "ACT2" and one.severity != INFO]
    place, _, rest = found.partition(" ")
    rule, _, hint = rest.partition(" ")
    assert [place] * bool(place) == [f"{one.line}:{one.column}" for one in findings]
    assert [rule] * bool(rule) == [one.rule for one in findings]
    assert all(hint in one.hint for one in findings)


def test_a_file_that_is_no_unicode(tmp_path: Path) -> None:
    """The manager skips such a line alone; a comment may be anything."""
    path = tmp_path / "t.service"
    path.write_bytes(b"# caf\xe9\n[Unit]\nDescription=caf\xe9\n" + SERVICE.encode())
    assert [(3, "ACT113")] == [(one.line, one.rule) for one in of_path(path)]


def of_path(path: Path) -> list[Finding]:
    """Return the findings about a file, for 257."""
    from activator.check import inputs  # noqa: PLC0415 - beside what is tested

    scope = inputs.Scope([str(path)], version=257)
    return [one.finding for world in inputs.worlds(scope) for one in check(world)]


def test_a_file_with_a_wrong_mode(tmp_path: Path) -> None:
    """The manager says so when it reads it."""
    path = tmp_path / "t.service"
    path.write_text(SERVICE)
    path.chmod(0o644)
    assert [] == of_path(path)
    path.chmod(0o757)
    assert ["ACT115", "ACT115"] == [one.rule for one in of_path(path)]


@pytest.mark.parametrize("version", VERSIONS)
def test_directives_of_other_types_have_their_version(version: int) -> None:
    """What mounts share with sockets is known as there, what slices got later is newer."""
    text = "[Slice]\nConcurrencyHardMax=5\nMemoryHigh=1G\n"
    newer = [one.rule for one in of_text(text, "t.slice", version)]
    assert (["ACT103"] if version < 258 else []) == newer


def test_other_types_share_no_more_than_they_do() -> None:
    """A mount has no directive of sockets, and a scope none of processes."""
    assert lookup("Mount", "User")
    assert lookup("Mount", "KillMode")
    assert lookup("Mount", "Backlog") is None
    assert lookup("Scope", "User") is None
    assert lookup("Scope", "KillMode")
    assert lookup("Slice", "KillMode") is None
    assert lookup("Wat", "User") is None
