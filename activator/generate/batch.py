"""Specs to texts, many at once: by every processor where that is worth it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, partial
from typing import Any, NamedTuple, TypeVar

from activator.errors import ActivatorError
from activator.generate import specfile
from activator.generate.render import Renderer
from activator.generate.specfile import Spec

T = TypeVar("T")

# From so many specs on, other processes are started: it takes some thousandths of a second.
MANY = 64
# Specs a process takes at a time, at least.
PORTION = 16


class Settings(NamedTuple):
    """How all specs are loaded and rendered."""

    systemd: str | None = None
    drop: bool = False
    explain: bool = False
    templates: str | None = None
    user: bool = False
    podman: str | None = None


class Made(NamedTuple):
    """What became of one spec.

    Attributes:
        source: Where it came from, as it was named.
        texts: File name → text.
        spec: The spec, if it was asked for.
        notes: What was left out or added, a line each.
        problem: Why there is nothing, or None.
    """

    source: str
    texts: dict[str, str]
    spec: Spec | None = None
    notes: tuple[str, ...] = ()
    problem: ActivatorError | None = None


def make(
    sources: Sequence[tuple[str, Callable[[], Spec]]], renderer: Renderer, *, whole: bool = True
) -> Iterator[Made]:
    """Load and render specs; the mistakes of each are part of what is returned.

    Each step is taken for all of them before the next, which takes an eighth less time: the
    processor has at hand what the step needs.

    Args:
        sources: Their names, with what loads them.
        renderer: What renders them.
        whole: Whether the specs themselves are asked for.
    """
    specs = [_tried(load) for _, load in sources]
    units = [_tried(renderer.units, loaded) for loaded in specs]
    texts = [_tried(renderer.texts, *pair) for pair in zip(specs, units, strict=True)]
    for (source, _), loaded, text in zip(sources, specs, texts, strict=True):
        if isinstance(text, ActivatorError):
            yield Made(source, {}, problem=text)
        elif not isinstance(loaded, ActivatorError):
            yield Made(source, text, loaded if whole else None, loaded.notes)


def _tried(step: Callable[..., T], *given: Any) -> T | ActivatorError:
    """Return what a step gives, or its error, or the error that it was given."""
    for one in given:
        if isinstance(one, ActivatorError):
            return one
    try:
        return step(*given)
    except ActivatorError as error:
        return error


def make_all(paths: Sequence[str], settings: Settings, *, whole: bool = False) -> Iterator[Made]:
    """Load and render specs, in their order.

    Args:
        paths: Their files.
        settings: How.
        whole: Whether the specs themselves are asked for, which keeps it in this process.
    """
    if whole or len(paths) < MANY or "-" in paths:
        yield from _portion(settings, paths, whole=whole)
        return
    # What the first one loads, tables and templates, other processes have by the fork.
    yield from _portion(settings, paths[:1])
    from activator.generate import processors  # noqa: PLC0415 - few calls are so large

    size = max(PORTION, -(-len(paths) // processors.PIECES_MAX))
    starts = range(1, len(paths), size)

    def work(piece: int) -> list[Made]:
        start = starts[piece]
        return list(_portion(settings, paths[start : start + size]))

    for portion in processors.spread(work, len(starts)):
        yield from portion


@cache
def _renderer(settings: Settings) -> Renderer:
    """Return this process's renderer, which keeps its templates."""
    return Renderer(explain=settings.explain, templates=settings.templates)


def _portion(settings: Settings, paths: Iterable[str], *, whole: bool = False) -> Iterator[Made]:
    """Load and render some specs with one renderer."""

    def load(path: str) -> Spec:
        loaded = specfile.load(
            path, systemd=settings.systemd, podman=settings.podman, drop=settings.drop
        )
        return loaded._replace(user=True) if settings.user else loaded

    sources = [(path, partial(load, path)) for path in paths]
    yield from make(sources, _renderer(settings), whole=whole)
