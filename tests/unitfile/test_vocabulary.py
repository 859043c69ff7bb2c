"""The whole vocabulary: our own checks find nothing wrong in what we generate from it."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from activator.generate import specfile
from activator.generate.render import Renderer
from activator.unitfile import directives, refusals
from activator.unitfile.directives import Directive
from activator.unitfile.kinds import KINDS
from activator.unitfile.parse import UnitFile
from activator.unitfile.values import judge
from tests.support import corpus, vocabulary

ROOT = Path(__file__).parents[2]
VERSIONS = (252, 254, 257, 262)


def wrong(files: Iterable[tuple[str, str]], version: int) -> list[str]:
    """Return everything that our checks have to say about units."""
    found: list[str] = []
    for name, text in files:
        unit = UnitFile.parse(text, name)
        assert text == unit.dump()
        found += [str(problem) for problem in unit.problems]
        for entry in unit.entries:
            directive = directives.lookup(entry.section, entry.name)
            if directive is None:
                found.append(f"{entry.place}: {entry.name}= is unknown")
            elif message := judge(directive, entry.value, version).message:
                found.append(f"{entry.place}: {message}")
        check = refusals.socket if name.endswith(".socket") else refusals.service
        found += [f"{name}: {refusal.message}" for refusal in check(unit.entries, version)]
    return found


@pytest.mark.parametrize("version", VERSIONS)
def test_every_directive(version: int) -> None:
    """Each directive can be set, stands in its unit as it was given, and is accepted."""
    renderer = Renderer()
    for directive, tree in vocabulary.specs(version):
        made = renderer.render(specfile.from_options(tree, {}))
        units = [UnitFile.parse(text) for text in made.values()]
        value = vocabulary.sample(directive)
        assert value in [unit.get(directive.section, directive.name) for unit in units]
        assert [] == wrong(made.items(), version)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_kind_of_socket_in_every_mode(version: int) -> None:
    """What comes of the corpus is accepted by our own checks."""
    renderer = Renderer()
    for name, text in corpus.texts(version).items():
        assert [] == wrong(renderer.render(specfile.loads(text, name)).items(), version)


def test_the_corpus_is_complete() -> None:
    """It has all eight kinds of sockets."""
    assert set(KINDS) == {listener.directive for listener in corpus.LISTENERS}


def test_the_vocabulary_is_complete() -> None:
    """Only what the spec's own keys set, and what sockets cannot have, is left out."""
    documented: set[tuple[str, str]] = set()
    for section in directives.SECTIONS:
        for name in directives.names(section):
            directive = directives.lookup(section, name)
            assert isinstance(directive, Directive)
            if directive.status == "documented" and name not in KINDS:
                documented.add((section, name))
    tried = {
        (directive.section, directive.name)
        for version in VERSIONS
        for directive, _ in vocabulary.specs(version)
    }
    assert tried == {pair for pair in documented if not vocabulary.elsewhere(*pair)}


@pytest.mark.parametrize(
    "path",
    [path for path in sorted(ROOT.glob("units/*")) if path.suffix in (".socket", ".service")],
    ids=lambda path: path.name,
)
@pytest.mark.parametrize("version", VERSIONS)
def test_committed_renderings(path: Path, version: int) -> None:
    """The units that we ship are accepted for every version."""
    assert [] == wrong([(path.name, path.read_text())], version)
