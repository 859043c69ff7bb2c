"""Specs to texts, many at once: by every processor where that is worth it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, partial
from typing import NamedTuple

from activator import spec
from activator.errors import ActivatorError
from activator.render import Renderer
from activator.spec import Spec

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


class Made(NamedTuple):
    """What became of one spec.

    Attributes:
        source: Where it came from, as it was named.
        texts: File name → text.
        spec: The spec, if it was asked for.
        dropped: What was left out, a notice each.
        problem: Why there is nothing, or None.
    """

    source: str
    texts: dict[str, str]
    spec: Spec | None = None
    dropped: tuple[str, ...] = ()
    problem: ActivatorError | None = None


def make(source: str, load: Callable[[], Spec], renderer: Renderer, *, whole: bool = True) -> Made:
    """Load and render one spec; its mistakes are part of what is returned."""
    try:
        loaded = load()
        texts = renderer.render(loaded)
        return Made(source, texts, loaded if whole else None, loaded.dropped)
    except ActivatorError as error:
        return Made(source, {}, problem=error)


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
    from activator import processes  # noqa: PLC0415 - few calls are so large

    size = max(PORTION, -(-len(paths) // processes.PIECES_MAX))
    starts = range(1, len(paths), size)

    def work(piece: int) -> list[Made]:
        start = starts[piece]
        return list(_portion(settings, paths[start : start + size]))

    for portion in processes.spread(work, len(starts)):
        yield from portion


@cache
def _renderer(settings: Settings) -> Renderer:
    """Return this process's renderer, which keeps its templates."""
    return Renderer(explain=settings.explain, templates=settings.templates)


def _portion(settings: Settings, paths: Iterable[str], *, whole: bool = False) -> Iterator[Made]:
    """Load and render some specs with one renderer."""
    renderer = _renderer(settings)
    for path in paths:
        load = partial(spec.load, path, systemd=settings.systemd, drop=settings.drop)
        yield make(path, load, renderer, whole=whole)
