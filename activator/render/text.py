"""Units to text through the templates, each parsed again before it is given away."""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import jinja2

from activator import ownership
from activator.errors import ActivatorError
from activator.render import proxy, services, sockets
from activator.render.model import Unit
from activator.spec.model import Spec
from activator.unit import UnitFile

_PACKAGE = Path(__file__).parent.parent


def template_directory() -> Path:
    """Return where the templates are: in an installed package, or beside it in a checkout."""
    inside = _PACKAGE / "templates"
    return inside if inside.is_dir() else _PACKAGE.parent / "templates"


def units(spec: Spec) -> Iterator[Unit]:
    """Yield the units of a spec: its sockets, then its services."""
    for socket in spec.sockets:
        yield sockets.unit(spec, socket)
    yield from proxy.units(spec, spec.proxy) if spec.proxy else services.units(spec)


class Renderer:
    """Renders specs, loading each template once.

    Args:
        explain: Whether to write the reason above each line.
    """

    def __init__(self, *, explain: bool = False) -> None:
        self.explain = explain

    @cached_property
    def _environment(self) -> jinja2.Environment:
        """Return the templates' environment; an undefined name in one is an error."""
        return jinja2.Environment(
            loader=jinja2.FileSystemLoader(template_directory()),
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            auto_reload=False,
            autoescape=False,  # noqa: S701 - unit files are no markup; see activator.quoting
        )

    def render(self, spec: Spec) -> dict[str, str]:
        """Return the texts of a spec's units by file name.

        Raises:
            ActivatorError: A template is wrong.
        """
        return {unit.name: self.text(unit, spec) for unit in units(spec)}

    def text(self, unit: Unit, spec: Spec) -> str:
        """Return one unit's text, with its fingerprint (see :mod:`activator.ownership`).

        Raises:
            ActivatorError: The template is wrong, or says something else than the unit.
        """
        kind = unit.name.rpartition(".")[2]
        try:
            text = self._environment.get_template(f"{kind}.j2").render(
                unit=unit, source=_printable(spec.source), explain=self.explain
            )
        except jinja2.TemplateError as error:
            raise ActivatorError(
                f"the template is wrong: {error.message}", "mend it", place=f"{kind}.j2"
            ) from None
        if not _says(text, unit):
            raise ActivatorError(
                f"the template does not write what {unit.name} must say",
                "write each line as {{ line.name }}={{ line.value }}",
                place=f"{kind}.j2",
            )
        return ownership.seal(unit.name, text, spec.name)


def _says(text: str, unit: Unit) -> bool:
    """Tell whether systemd would read from a text what the unit must say, and no more."""
    if "\r" not in text and "\0" not in text:
        # The usual case, at once: comments apart, line by line what must be there. What must
        # be there neither continues a line nor is trimmed (see activator.quoting).
        lines = [line for line in text.split("\n") if line and line[0] not in "#;"]
        if lines == unit.lines:
            return True
    parsed = UnitFile.parse(text, unit.name)
    said = [(entry.section, entry.name, entry.value) for entry in parsed.entries]
    return said == list(unit.entries) and not parsed.problems


def _printable(source: str) -> str:
    """Return a spec's file name as it may stand in a comment."""
    return "".join(char if char.isprintable() else "?" for char in Path(source).name)


def render(spec: Spec, *, explain: bool = False) -> dict[str, str]:
    """Return the texts of a spec's units by file name.

    Args:
        spec: What to render.
        explain: Whether to write the reason above each line.

    Raises:
        ActivatorError: A template is wrong.
    """
    return Renderer(explain=explain).render(spec)
