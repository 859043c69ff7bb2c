"""The files of debian/, each as its text."""

from functools import cache

import jinja2

from activator.deploy.debian.package import Package
from activator.generate.render import templates
from activator.output import seal

# The fragment that debian/rules includes.
FRAGMENT = "activator.mk"
INCLUDE = f"include debian/{FRAGMENT}"
# What the fragment fills in, and debian/control has.
DEPENDS = "${activator:Depends}"


def texts(package: Package) -> dict[str, str]:
    """Return what the package needs besides what every package has.

    Args:
        package: The package.

    Returns:
        File name below debian/ → text.
    """
    scripts = ["preinst", "postinst", "prerm"] if package.sockets else []
    files = {FRAGMENT: _render("activator.mk", package)}
    files |= {f"{package.name}.{kind}": _render(kind, package) for kind in scripts}
    if package.accounts:
        files[f"{package.name}.sysusers"] = _render("sysusers", package)
    if package.directories:
        files[f"{package.name}.tmpfiles"] = _render("tmpfiles", package)
    sealed = {name: seal.seal(name, text, package.name) for name, text in files.items()}
    return {unit.file: unit.text for unit in package.units} | sealed


def _render(template: str, package: Package) -> str:
    return render(
        template,
        package=package,
        sources=" and ".join(spec.source or spec.name for spec in package.specs),
        quoted=_quoted,
    )


def render(template: str, **values: object) -> str:
    """Return a template of debian/ filled in."""
    return _environment().get_template(f"{template}.j2").render(**values)


def _quoted(text: str) -> str:
    """Return a text as one word of sysusers.d(5) and tmpfiles.d(5)."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates.directory() / "debian"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - no markup; names are checked before
    )
