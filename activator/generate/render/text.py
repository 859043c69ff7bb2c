"""Units to text through the templates, each parsed again before it is given away."""

import os
from collections.abc import Iterable, Iterator
from functools import cached_property

import jinja2

from activator.generate.render import refused, services, sockets, templates
from activator.generate.render.lines import Unit
from activator.generate.specfile.spec import Spec
from activator.output import seal


def units(spec: Spec) -> Iterator[Unit]:
    """Yield the units of a spec: its sockets, then its services."""
    for socket in spec.sockets:
        yield sockets.unit(spec, socket)
    if spec.container:
        from activator.generate.render import container  # noqa: PLC0415 - few specs have one

        yield from container.units(spec, spec.container)
    elif spec.proxy:
        from activator.generate.render import proxy  # noqa: PLC0415 - few specs have one

        yield from proxy.units(spec, spec.proxy)
    else:
        yield from services.units(spec)


class Renderer:
    """Renders specs, loading each template once.

    Args:
        explain: Whether to write the reason above each line.
        templates: A directory of templates that go before the built-in ones. They may add
            comments and directives, but leave nothing out and change nothing.
    """

    def __init__(
        self, *, explain: bool = False, templates: str | os.PathLike[str] | None = None
    ) -> None:
        self.explain = explain
        self.templates = templates

    @cached_property
    def _environment(self) -> jinja2.Environment:
        """Return the templates' environment."""
        return templates.environment(self.templates)

    def render(self, spec: Spec) -> dict[str, str]:
        """Return the texts of a spec's units by file name.

        Raises:
            ActivatorError: A template is wrong, or systemd would refuse a unit.
        """
        return self.texts(spec, self.units(spec))

    def units(self, spec: Spec) -> list[Unit]:
        """Return what a spec's units are to say.

        Raises:
            ActivatorError: systemd would refuse one.
        """
        made = list(units(spec))
        refused.check(spec, made)
        return made

    def texts(self, spec: Spec, units: Iterable[Unit]) -> dict[str, str]:
        """Return the texts of units of a spec by file name.

        Raises:
            ActivatorError: A template is wrong.
        """
        return {unit.name: self.text(unit, spec) for unit in units}

    def text(self, unit: Unit, spec: Spec) -> str:
        """Return one unit's text, with its fingerprint (see :mod:`activator.output.seal`).

        Raises:
            ActivatorError: The template is wrong, or says something else than the unit.
        """
        # Ours for the two kinds say no more than the one they extend, which saves the way.
        kind = unit.name.rpartition(".")[2] if self.templates is not None else "unit"
        name = f"{kind}.j2"
        environment = self._environment
        try:
            text = environment.get_template(name).render(
                unit=unit, source=_printable(spec.source), explain=self.explain
            )
        except Exception as error:  # noqa: BLE001 - a template can raise whatever Python can
            raise templates.explain(error, name) from None
        if not _says(text, unit):
            from activator.generate.render import additions  # noqa: PLC0415 - only own templates add

            place = f"{self.templates}/{name}" if self.templates else name
            additions.check(text, unit, spec.systemd, place, allowed=self.templates is not None)
        return seal.seal(unit.name, text, spec.name)


def _says(text: str, unit: Unit) -> bool:
    """Tell at a glance whether a text has the lines of a unit, comments and blank ones apart.

    What must be there neither continues a line nor is trimmed (see activator.unitfile.quoting).
    """
    if "\r" in text or "\0" in text:
        return False
    said = unit.text
    # Laid out as by the templates built in, all it says follows the first line, a comment.
    if text[:1] == "#" and text[text.find("\n") + 1 :] == said:
        return True
    lines = [line for line in text.split("\n") if line and line[0] not in "#;"]
    return lines == [line for line in said.split("\n") if line]


def _printable(source: str) -> str:
    """Return a spec's file name as it may stand in a comment; nothing if it came from no file."""
    if source.startswith(("<", "/dev/", "/proc/")):
        return ""
    name = source.rpartition("/")[2]
    return name if name.isprintable() else "".join(c if c.isprintable() else "?" for c in name)


def render(spec: Spec, *, explain: bool = False) -> dict[str, str]:
    """Return the texts of a spec's units by file name.

    Args:
        spec: What to render.
        explain: Whether to write the reason above each line.

    Raises:
        ActivatorError: A template is wrong.
    """
    return Renderer(explain=explain).render(spec)
