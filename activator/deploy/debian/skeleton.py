"""The rest of a plain package, for a daemon that has no debian/ yet."""

import os
import pwd
import socket
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

from activator.deploy.debian.package import Package
from activator.deploy.debian.texts import INCLUDE, render
from activator.generate.specfile.spec import Spec

# File → whether it is a program.
FILES = {"changelog": False, "control": False, "copyright": False, "rules": True}
# deb-src-control(5): a synopsis is short, and one line.
SYNOPSIS = 70


def skeleton(package: Package, project: Path) -> dict[str, str]:
    """Return what every package has, as plain as can be: to be read, and changed by hand.

    Args:
        package: The package.
        project: The directory that will hold debian/.

    Returns:
        File name below debian/ → text. ``rules`` must be made executable.
    """
    now = datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH") or _now()), UTC)
    spec = package.specs[0]
    values = {
        "package": package,
        "maintainer": maintainer(),
        "handlers": any(spec.handlers for spec in package.specs),
        "summary": " ".join((spec.description or spec.name).split())[:SYNOPSIS],
        "include": INCLUDE,
        "date": format_datetime(now),
        "year": now.year,
    }
    texts = {name: render(name, **values) for name in FILES}
    texts["source/format"] = "3.0 (native)\n"
    modules = [line for one in package.specs for line in _modules(one, project)]
    if modules:
        texts[f"{package.name}.install"] = "".join(f"{line}\n" for line in dict.fromkeys(modules))
    return texts


def maintainer() -> str:
    """Return who packages: DEBFULLNAME and DEBEMAIL as debchange(1) has them, or the user."""
    user = pwd.getpwuid(os.getuid())
    name = os.environ.get("DEBFULLNAME") or os.environ.get("NAME") or user.pw_gecos.split(",")[0]
    mail = os.environ.get("DEBEMAIL") or os.environ.get("EMAIL")
    return f"{name or user.pw_name} <{mail or f'{user.pw_name}@{socket.getfqdn()}'}>"


def _now() -> float:
    return datetime.now(UTC).timestamp()


def _modules(spec: Spec, project: Path) -> list[str]:
    """Return lines of dh_install(1) for the handlers' modules that lie beside the spec."""
    modules = (handler.name.partition(":")[0] for handler in spec.handlers)
    names = dict.fromkeys(module.partition(".")[0] for module in modules)
    places = (place for name in names for place in (f"{name}.py", f"{name}/__init__.py"))
    found = (place.removesuffix("/__init__.py") for place in places if (project / place).is_file())
    return [f"{name} {spec.app_dir.lstrip('/')}" for name in found] if spec.app_dir else []
