"""The pages of docs/, against what they describe."""

import inspect
import re
import runpy
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest
from jsonschema import Draft202012Validator

import activator
from activator.common import tables
from activator.errors import ActivatorError
from activator.generate import specfile
from activator.generate.render import render
from activator.generate.schema import schema
from activator.generate.specfile.intents import intents
from activator.live import doctor
from activator.live.doctor.failing import LIMITS
from activator.unitfile.directives import SECTIONS, lookup, names

ROOT = Path(__file__).parents[1]
SPEC = ROOT / "docs/spec.md"
PAGES = sorted(ROOT.glob("docs/**/*.md"))
reference = SimpleNamespace(**runpy.run_path(str(ROOT / "packaging/develop/reference.py")))


def blocks(kind: str) -> list[str]:
    """Return the blocks of a kind in the reference of the spec."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", SPEC.read_text(), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", ["spec", "rules", "api"])
def test_the_reference_is_current(page: str) -> None:
    """The tables of the committed page are what is made today."""
    text = (ROOT / f"docs/{page}.md").read_text()
    assert reference.fill(text, ROOT) == text, "run: make docs"


def test_every_public_name_is_described() -> None:
    """Whatever users may import, and call of it, has a heading and words in the API reference."""
    text = (ROOT / "docs/api.md").read_text()
    names = [f"activator.{name}" for name in activator.__all__ if name != "__version__"]
    for module in (activator.notify, activator.fdstore):
        names += [f"{module.__name__}.{name}" for name in module.__all__]
    names += ["Listener.socket", "Listener.peer", "Listeners.one", "draining.wait"]
    for name in names:
        heading = rf"^##+ {re.escape(name)}\n\n(```.*?```\n\n)?\w+"
        assert re.search(heading, text, re.MULTILINE | re.DOTALL), name
    for module in (activator.notify, activator.fdstore):
        public = {
            name
            for name, value in vars(module).items()
            if inspect.isfunction(value) and not name.startswith("_")
        }
        assert set(module.__all__) <= public


def test_pages_are_filled_in_place(tmp_path: Path) -> None:
    """The module fills a page's tables anew, and leaves the rest as it is."""
    page = tmp_path / "docs/page.md"
    page.parent.mkdir()
    page.write_text("a\n<!-- table: suites -->\nold\n<!-- end -->\nb <!-- end -->\n")
    reference.main([str(page)])
    text = page.read_text()
    assert text.startswith("a\n<!-- table: suites -->\n| Name |")
    assert text.endswith("\n<!-- end -->\nb <!-- end -->\n")
    reference.main([str(page)])
    assert page.read_text() == text


@pytest.mark.parametrize("region", ["table: wat", "file: units/wat.toml"])
def test_a_page_that_asks_for_nothing_known(region: str) -> None:
    """An unknown table and a missing file are told."""
    with pytest.raises(ActivatorError, match="wat"):
        reference.fill(f"<!-- {region} -->\n<!-- end -->\n", ROOT)


def test_every_key_is_described() -> None:
    """Every key of a spec has a row, with words for its type."""
    text = SPEC.read_text()
    for key, row in intents().items():
        assert f"| `{key}` | " in text
        assert row.type in reference.TYPES


def test_every_directive_is_described() -> None:
    """Every directive that a manual page describes is in some table, and every old one."""
    text = SPEC.read_text()
    for section in SECTIONS:
        for name in names(section):
            directive = lookup(section, name)
            assert directive
            if directive.man or directive.status in ("legacy", "deprecated"):
                assert f"| `{name}=` | " in text, f"{name} of [{section}]"


def test_the_examples_are_specs() -> None:
    """Every example of a whole spec can be generated and fits the schema."""
    validator = Draft202012Validator(schema())
    whole = [text for text in blocks("toml") if text.startswith("name =")]
    assert 7 == len(whole)
    for text in whole:
        assert render(specfile.loads(text))
        assert validator.is_valid(tomllib.loads(text))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_within_the_documentation(page: Path) -> None:
    """A link to a heading or to a file of the project has its target."""
    text = page.read_text()
    headings = {
        re.sub(r"[^\w -]", "", line.lstrip("# ")).strip().lower().replace(" ", "-")
        for line in re.findall(r"^#+ .*$", text, re.MULTILINE)
    }
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if target.startswith("#"):
            assert target[1:] in headings
        elif "://" not in target:
            assert (page.parent / target.partition("#")[0]).exists(), target


def test_rows_have_as_many_cells_as_their_table() -> None:
    """No value breaks a table: every row has the cells of its head."""
    for name, made in reference.TABLES.items():
        if name in ("rule-pages", "api"):
            continue  # these are no tables
        counts = {len(re.findall(r"(?<!\\)\|", row)) for row in made()}
        assert 1 == len(counts), name


def test_every_diagnosis_is_listed() -> None:
    """The page has a row for each name that doctor gives, and no other."""
    sources = (ROOT / "activator/live/doctor").glob("*.py")
    code = "".join(path.read_text() for path in sources)
    given = set(re.findall(r'(?:yield|=|return) Finding\(\s*f?"([a-z{}-]+)"', code))
    given = given - {"missing-{tool}"} | {"missing-user", "missing-group", *LIMITS}
    rows = tables.rows(doctor.__file__, "results.tsv")
    given |= {row[3] for row in rows} - {"", "name"} | {"service-ends", "service-fails"}
    page = (ROOT / "docs/doctor.md").read_text().split("| --- | --- |")[1]
    listed = re.findall(r"^\| (.*?) \|", page, re.MULTILINE)
    assert given == {name.strip("`") for cell in listed for name in cell.split(", ")}
