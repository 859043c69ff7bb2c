"""Templates: the built-in ones, and a user's own that go before them."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from activator.errors import ActivatorError
from activator.generate import specfile
from activator.generate.render import render, templates
from activator.generate.render.text import Renderer
from activator.unitfile.parse import UnitFile

ROOT = Path(__file__).parents[2]
ECHO = ROOT / "units/echo.toml"
HEAD = '{% extends "builtin/unit.j2" %}\n{% block head %}\n# Example Ltd.\n{% endblock %}\n'
Write = Callable[..., Path]


@pytest.fixture
def own(tmp_path: Path) -> Write:
    """Return a function that writes templates into a directory: ``own(unit="...")``."""

    def write(**texts: str) -> Path:
        for name, text in texts.items():
            (tmp_path / f"{name}.j2").write_text(text)
        return tmp_path

    return write


def activator(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line."""
    return subprocess.run(
        [sys.executable, "-m", "activator", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def units(directory: Path) -> dict[str, str]:
    """Render the example with templates of a directory."""
    return Renderer(templates=directory).render(specfile.load(ECHO))


def refused(directory: Path) -> str:
    """Return the message about templates of a directory, which must be one line."""
    run = activator("gen", str(ECHO), "--stdout", "--templates", str(directory))
    assert (1, "") == (run.returncode, run.stdout)
    (message,) = run.stderr.splitlines()
    assert "; " in message
    return message


def added(line: str, section: str = "Service") -> str:
    """Return a template that adds a line to a section."""
    return (
        '{% extends "builtin/unit.j2" %}\n{% block section %}\n{{ super() }}'
        f'{{%- if section.name == "{section}" %}}\n\n{line}\n{{% endif %}}\n{{% endblock %}}\n'
    )


def test_a_template_extends_the_one_it_replaces(own: Write) -> None:
    """unit.j2 may extend builtin/unit.j2; both kinds of unit get its head."""
    for name, text in units(own(unit=HEAD)).items():
        assert text.startswith("# Example Ltd.\n# activator: "), name
        plain = UnitFile.parse(render(specfile.load(ECHO))[name]).entries
        entries = UnitFile.parse(text).entries
        assert [entry[:3] for entry in plain] == [entry[:3] for entry in entries]


def test_one_kind_of_unit_alone(own: Write) -> None:
    """service.j2 alone leaves the .socket units as they are."""
    made = units(own(service=HEAD))
    plain = render(specfile.load(ECHO))
    assert made["echo.socket"] == plain["echo.socket"]
    assert made["echo.service"].startswith("# Example Ltd.\n")


def test_templates_include_others_of_the_directory(own: Write) -> None:
    """Further files of the directory can be included."""
    head = HEAD.replace("# Example Ltd.\n", '{% include "company.j2" %}\n')
    made = units(own(unit=head, company="# Example Ltd.\n"))
    assert made["echo.socket"].startswith("# Example Ltd.\n")


@pytest.mark.parametrize(
    ("line", "section"),
    [
        ("Slice=shop.slice", "Service"),
        ("ReadWritePaths=/srv/a\nReadWritePaths=/srv/b", "Service"),
        ("Environment=A=b", "Service"),
        ("After=network.target", "Unit"),
        ("Requires=other.socket", "Unit"),
        ("X-Team=shop", "Service"),
        ("[X-Company]\nOwner=shop", "Service"),
        ("# a comment\n; another", "Service"),
        ("Slice=\\\n  shop.slice", "Service"),
    ],
)
def test_lines_that_may_be_added(line: str, section: str, own: Write) -> None:
    """Comments, and directives that systemd takes, may be added."""
    text = units(own(service=added(line, section)))["echo.service"]
    assert line in text


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("Slicee=shop.slice", "did you mean Slice="),
        ("Slice=shop", "Slice=shop: "),
        ("ListenStream=80", "belongs in [Socket]"),
        ("[Socket]\nListenStream=80", "stands in [Socket]"),
        ("ExecStart=/bin/true", "ExecStart= is not set here"),
        ("Type=simple", "Type=simple changes what is set"),
        ("Restart=always", "set it in the spec"),
        ("CapabilityBoundingSet=CAP_KILL", "changes what is set"),
        ("RestartMode=direct", "it needs 254"),
        ("what is this", "would not be a unit file"),
        ("Slice=shop.slice\\\nNice=5", "shop.slice Nice=5"),
    ],
)
def test_lines_that_may_not_be_added(line: str, what: str, own: Write) -> None:
    """What systemd would not take, or what is decided elsewhere, is told with the file."""
    directory = own(service=added(line))
    message = refused(directory)
    assert message.startswith(f"{directory}/service.j2: ")
    assert what in message


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("{{ line.name }}={{ line.value }}\n", ""),
        ("{{ line.value }}", "{{ line.value }} "),
        ("{{ line.value }}", '"{{ line.value }}"'),
        ("unit.sections", "unit.sections|reverse"),
        ("[{{ section.name }}]", "[{{ section.name|upper }}]"),
        ("{{ line.name }}=", "{{ line.name|lower }}="),
        ("{{ line.name }}={{ line.value }}", "#{{ line.name }}={{ line.value }}"),
    ],
)
def test_what_the_unit_must_say_stays(old: str, new: str, own: Write) -> None:
    """A template that leaves a line out, moves or changes one is refused."""
    source = templates.source("unit.j2")
    assert old in source
    directory = own(unit=source.replace(old, new))
    if new.endswith(" "):
        assert units(directory)  # systemd trims values
        return
    assert refused(directory).startswith(f"{directory}/socket.j2: ")


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("{% if %}\n", 1, "xpected an expression"),
        ("\n\n{% for x in y %}\n", 3, "end of template"),
        ("\n{{ nonsense }}\n", 2, "'nonsense' is undefined"),
        ("\n\n{{ unit.nonsense }}\n", 3, "nonsense"),
        ('{% extends "nothing.j2" %}\n', 1, "no template 'nothing.j2'"),
        ('\n{% include "builtin/nothing.j2" %}\n', 2, "nothing.j2"),
        ('{% extends "unit.j2" %}\n', 1, "extends or includes itself"),
        ('{% include "unit.j2" %}\n', 1, "extends or includes itself"),
        ("\n{{ 1 / 0 }}\n", 2, "zeroDivisionError"),
        ("\n{{ 1 + 'a' }}\n", 2, "typeError"),
        ("\n{{ ''.__class__.__mro__ }}\n", 2, "unsafe"),
        ("{{ unit|nonsense }}", 1, "nonsense"),
        ('{% extends "builtin/unit.j2" %}\n{% block head %}\n{{ x }}\n{% endblock %}', 3, "'x'"),
    ],
)
def test_mistakes_in_a_template_are_told_in_one_line(
    text: str, line: int, what: str, own: Write
) -> None:
    """An error of jinja2, or of Python in a template, has the file and the line."""
    directory = own(unit=text)
    message = refused(directory)
    assert message.startswith(f"{directory}/unit.j2:{line}: ")
    assert what in message


def test_a_template_that_is_no_text(tmp_path: Path) -> None:
    """A template that is not UTF-8, or a directory, is told in one line."""
    (tmp_path / "unit.j2").write_bytes(b"\xff")
    assert "UTF-8" in refused(tmp_path)


@pytest.mark.parametrize("name", ["nowhere", "empty"])
def test_a_directory_that_replaces_nothing(name: str, tmp_path: Path) -> None:
    """A missing directory, and one without a template of a built-in name, are mistakes."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty/sockets.j2").write_text("")
    assert refused(tmp_path / name).startswith(f"{tmp_path / name}: ")


def test_templates_go_with_options_too(own: Write) -> None:
    """--templates goes with a spec file and with options alone."""
    run = activator(
        *("gen", "--name", "x", "--exec", "/bin/x", "--listen-stream", "80", "--stdout"),
        *("--templates", str(own(unit=HEAD))),
    )
    assert ("", 0) == (run.stderr, run.returncode)
    assert "# Example Ltd." in run.stdout


# --- activator templates -----------------------------------------------------------------


def test_the_list_says_what_each_is_for() -> None:
    """Without arguments the built-in templates are listed with their purpose."""
    run = activator("templates")
    assert ("", 0) == (run.stderr, run.returncode)
    assert [path.name for path in sorted(ROOT.glob("templates/*.j2"))] == [
        line.split()[0] for line in run.stdout.splitlines()
    ]
    assert all(len(line.split()) > 3 for line in run.stdout.splitlines())


@pytest.mark.parametrize("name", ["unit", "unit.j2"])
def test_show_prints_a_template(name: str) -> None:
    """--show prints the template as it is."""
    assert (ROOT / "templates/unit.j2").read_text() == activator("templates", "--show", name).stdout


def test_copies_give_the_same_units(tmp_path: Path) -> None:
    """What --copy writes, all or some, can be used at once and changes nothing."""
    run = activator("templates", "--copy", str(tmp_path / "all"))
    names = sorted(path.name for path in ROOT.glob("templates/*.j2"))
    assert [str(tmp_path / "all" / name) for name in names] == run.stdout.splitlines()
    assert render(specfile.load(ECHO)) == units(tmp_path / "all")
    activator("templates", "--copy", str(tmp_path / "one"), "service")
    assert ["service.j2"] == [path.name for path in (tmp_path / "one").iterdir()]
    assert render(specfile.load(ECHO)) == units(tmp_path / "one")


def test_copies_overwrite_nothing(tmp_path: Path) -> None:
    """A file that is there stays, and nothing else is written, unless --force is given."""
    (tmp_path / "unit.j2").symlink_to("elsewhere")
    run = activator("templates", "--copy", str(tmp_path))
    assert (1, "") == (run.returncode, run.stdout)
    assert run.stderr.startswith(f"{tmp_path}/unit.j2: ")
    assert ["unit.j2"] == [path.name for path in tmp_path.iterdir()]
    assert 0 == activator("templates", "--copy", str(tmp_path), "--force").returncode
    assert not (tmp_path / "unit.j2").is_symlink()


@pytest.mark.parametrize("arguments", [["--show", "x"], ["--copy", "unused", "x"]])
def test_unknown_templates(arguments: list[str]) -> None:
    """An unknown name is told with those there are."""
    run = activator("templates", *arguments)
    assert (1, "") == (run.returncode, run.stdout)
    assert "unit.j2" in run.stderr
    assert not Path("unused").exists()


@pytest.mark.parametrize("arguments", [["unit"], ["--force"], ["--show", "unit", "--copy", "x"]])
def test_wrong_usage(arguments: list[str]) -> None:
    """A wrong call exits with 2 and says what is wrong on stderr."""
    run = activator("templates", *arguments)
    assert (2, "") == (run.returncode, run.stdout)
    assert run.stderr


def test_the_built_in_ones_add_nothing(monkeypatch: pytest.MonkeyPatch, own: Write) -> None:
    """Without --templates the text says exactly what the unit must say."""
    directory = own(
        unit=templates.source("unit.j2") + "Slice=a.slice\n",
        socket='{% extends "unit.j2" %}',
        service='{% extends "unit.j2" %}',
    )
    monkeypatch.setattr(templates, "directory", lambda: directory)
    with pytest.raises(ActivatorError, match="it adds lines"):
        render(specfile.load(ECHO))
