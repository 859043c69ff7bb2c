"""Specs to texts, many at once: by every processor where that is worth it."""

import gc
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, partial
from typing import NamedTuple

from activator import spec
from activator.errors import ActivatorError
from activator.render import Renderer
from activator.spec import Spec

# From so many specs on, other processes are started: they take some hundredths of a second.
MANY = 200
# Specs a process is given at a time.
PORTION = 64


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
        spec: The spec, if it was made in this process.
        dropped: What was left out, a notice each.
        problem: Why there is nothing, or None.
    """

    source: str
    texts: dict[str, str]
    spec: Spec | None = None
    dropped: tuple[str, ...] = ()
    problem: ActivatorError | None = None


def make(source: str, load: Callable[[], Spec], renderer: Renderer) -> Made:
    """Load and render one spec; its mistakes are part of what is returned."""
    try:
        loaded = load()
        return Made(source, renderer.render(loaded), loaded, loaded.dropped)
    except ActivatorError as error:
        return Made(source, {}, problem=error)


def make_all(paths: Sequence[str], settings: Settings, *, whole: bool = False) -> Iterator[Made]:
    """Load and render specs, in their order.

    Args:
        paths: Their files.
        settings: How.
        whole: Whether the specs themselves are asked for, which keeps it in this process.
    """
    processors = len(os.sched_getaffinity(0))
    if whole or len(paths) < MANY or processors == 1 or "-" in paths:
        yield from _portion(settings, paths)
        return
    # What the first one loads, tables and templates, the other processes have by the fork.
    yield from _portion(settings, paths[:1])
    from concurrent.futures import ProcessPoolExecutor  # noqa: PLC0415 - few calls are so large
    from multiprocessing import get_context  # noqa: PLC0415 - the same

    portions = [paths[start : start + PORTION] for start in range(1, len(paths), PORTION)]
    context = get_context("fork")  # safe: there is one thread
    with ProcessPoolExecutor(processors, context, initializer=gc.disable) as pool:
        for made in pool.map(partial(_far, settings), portions):
            yield from made


@cache
def _renderer(settings: Settings) -> Renderer:
    """Return this process's renderer, which keeps its templates."""
    return Renderer(explain=settings.explain, templates=settings.templates)


def _portion(settings: Settings, paths: Iterable[str]) -> Iterator[Made]:
    """Load and render some specs with one renderer."""
    renderer = _renderer(settings)
    for path in paths:
        load = partial(spec.load, path, systemd=settings.systemd, drop=settings.drop)
        yield make(path, load, renderer)


def _far(settings: Settings, paths: Sequence[str]) -> list[Made]:
    """Load and render some specs in another process; only the texts come back."""
    return [made._replace(spec=None) for made in _portion(settings, paths)]
