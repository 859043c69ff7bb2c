"""What podman says of the files for its Quadlet, before they are installed."""

import os
import re
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from activator.errors import ActivatorError, combine
from activator.generate.specfile.spec import Container
from activator.output.atomic import write_all
from activator.unitfile.quadlet.versions import read, written

# Debian and Fedora have both there; the second is for users' managers.
_GENERATORS = "/usr/lib/systemd/system-generators/podman-system-generator"
_OF_USERS = "/usr/lib/systemd/user-generators/podman-user-generator"
_TIMEOUT_S = 60
# Between the units that it prints.
_HEAD = re.compile(r"---(\S+\.service)---")
_LOG = re.compile(r"quadlet-generator\[[0-9]+\]: ")
_HARMLESS = "Loading source unit file "


def services(texts: Mapping[str, str], *, user: bool) -> tuple[dict[str, str], list[str]]:
    """Return the services that Quadlet makes of some files.

    Args:
        texts: File name → text.
        user: Whether they are for a user's manager.

    Returns:
        Service → text, and what Quadlet remarks, one line each.

    Raises:
        ActivatorError: There is no Quadlet here, or it leaves a file out.
    """
    generator = _OF_USERS if user else _GENERATORS
    if not Path(generator).exists():
        hint = "install podman 4.4 or later"
        raise ActivatorError("no podman with Quadlet is installed here", hint)
    with tempfile.TemporaryDirectory(prefix="activator-") as directory:
        write_all(directory, texts)
        run = _run(
            [generator, "--dryrun", *(["--user"] if user else [])],
            {"QUADLET_UNIT_DIRS": directory},
        )
        lines = [_LOG.sub("", line).replace(f"{directory}/", "") for line in run.stderr.split("\n")]
    said = [line for line in lines if line and not line.startswith(_HARMLESS)]
    if run.returncode:
        hint = "change the spec, or use --force to install it all the same"
        raise combine([ActivatorError(f"Quadlet: {line}", hint) for line in said or ["it failed"]])
    parts = _HEAD.split(run.stdout)
    return dict(zip(parts[1::2], parts[2::2], strict=True)), said


def check(container: Container) -> None:
    """Check that this machine's podman can run a container.

    Raises:
        ActivatorError: There is none, it is too old, or it has not the image.
    """
    version = read(_podman("--version").stdout.rpartition(" ")[2].strip())
    if version < container.podman:
        what = f"the spec is for podman {written(container.podman)}, and {written(version)} is here"
        raise ActivatorError(what, "have it name that, or none")
    pulls = any(item.name == "Pull" and item.value != "never" for item in container.settings)
    if pulls or container.image.endswith((".image", ".build")):
        return
    if _podman("image", "exists", container.image).returncode:
        hint = f"build it (podman build -t {container.image} .), or pull it"
        raise ActivatorError(f"there is no image {container.image} here", hint)


def _podman(*words: str) -> "subprocess.CompletedProcess[str]":
    """Return what podman says.

    Raises:
        ActivatorError: There is no podman, or it does not answer.
    """
    return _run(["podman", *words], {})


def _run(argv: list[str], more: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=_TIMEOUT_S,
            env=os.environ | {"LC_ALL": "C.UTF-8", **more},
        )
    except FileNotFoundError:
        raise ActivatorError("no podman is installed here", "install podman") from None
    except subprocess.TimeoutExpired:
        raise ActivatorError(f"{argv[0]} does not answer") from None
