"""Containers: the services that podman's own generator makes of Quadlet's files.

What it writes for systemd is read as any other unit, but for what only systemd's control groups
are there for, and for names: a run here never replaces what systemd runs of the same files.

Source: podman-systemd.unit(5), podman-run(1) "--cgroups".
"""

import os
import re
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from shutil import which
from tempfile import TemporaryDirectory

from activator.errors import ActivatorError, combine
from activator.unitfile import quadlet

SUFFIXES = tuple(f".{suffix}" for suffix in quadlet.kinds())
_GENERATORS = ("/usr/libexec/podman/quadlet", "/usr/lib/podman/quadlet")
_TIMEOUT = 60.0  # seconds; it reads some files
# What a user's manager has, and podman finds its images and its bus by.
_PASSED = (
    *("HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "DBUS_SESSION_BUS_ADDRESS"),
    *("CONTAINERS_CONF", "CONTAINERS_STORAGE_CONF"),
)
# What the generator writes → what is run here.
_CHANGES = (
    # There is no group of the unit's own to be split; podman makes one, as at a terminal.
    (re.compile(r"(?<= )--cgroups=split(?= )"), "--cgroups=enabled"),
    (re.compile(r"^Delegate=.*\n", re.MULTILINE), ""),
    # What it says is shown here, where its file does not say otherwise.
    (
        re.compile(r"^(ExecStart=\S+ run )(?!.*--log-driver)", re.MULTILINE),
        r"\1--log-driver=passthrough ",
    ),
    (re.compile(r"(?<= )systemd-(?=%)"), "activator-"),
    (re.compile(r"(?<==)%t/(?=%N\.)"), "%t/activator-"),
    (re.compile(r"(?<=^\[Service\]\n)", re.MULTILINE), f"PassEnvironment={' '.join(_PASSED)}\n"),
)
_SOURCE = re.compile(r"^SourcePath=(.*)$", re.MULTILINE)
# Who says it, and "converting FILE: " before what is wrong with that.
_PREFIX = re.compile(r"^(?:quadlet-generator\[\d+\]: )?(?:converting )?")


def in_folder(directory: Path) -> list[Path]:
    """Return Quadlet's files in a folder."""
    return sorted(
        path for path in directory.glob("*") if path.suffix in SUFFIXES and path.is_file()
    )


def services(files: Iterable[Path]) -> dict[str, tuple[str, str]]:
    """Return the services of all of Quadlet's files in the folders of some.

    Args:
        files: Files of Quadlet's.

    Returns:
        Unit name → its text, and what to call it in messages.

    Raises:
        ActivatorError: podman is not installed, or a file is wrong.
    """
    files = list(files)
    folders = dict.fromkeys(str(path.absolute().parent) for path in files)
    found = _generated(_generator(str(files[0])), ":".join(folders))
    if not found:
        what = "podman's generator makes no service of it"
        raise ActivatorError(what, "move it to a folder without a colon", place=str(files[0]))
    return {name: (_adapted(text), f"{_origin(text)}: {name}") for name, text in found.items()}


def services_of(texts: Mapping[str, tuple[str, str]]) -> dict[str, tuple[str, str]]:
    """Return texts with those of Quadlet's files replaced by their services.

    Args:
        texts: File name → its text, and what to call it in messages.

    Raises:
        ActivatorError: podman is not installed, or a file is wrong.
    """
    quadlets = {name: each for name, each in texts.items() if Path(name).suffix in SUFFIXES}
    if not quadlets:
        return dict(texts)
    generator = _generator(next(iter(quadlets.values()))[1])
    with TemporaryDirectory(prefix="activator-") as directory:
        for name, (text, _) in quadlets.items():
            Path(directory, name).write_text(text, encoding="utf-8", errors="surrogateescape")
        found = _generated(generator, directory)
    made = {name: each for name, each in texts.items() if name not in quadlets}
    for name, text in found.items():
        origin = quadlets[Path(_origin(text)).name][1]
        made[name] = (_adapted(text), f"{origin.rpartition(': ')[0] or origin}: {name}")
    return made


def _generator(place: str) -> str:
    """Return the path of podman's generator."""
    for path in _GENERATORS:
        if os.access(path, os.X_OK):
            return path
    if which("podman"):
        what, hint = "this podman has no Quadlet", "install podman 4.4 or newer"
    else:
        what, hint = "podman is not installed, which runs it", "install the package podman"
    raise ActivatorError(what, hint, place=place)


def _generated(generator: str, folders: str) -> dict[str, str]:
    """Return what the generator makes of all files in folders: name → text."""
    with TemporaryDirectory(prefix="activator-") as directory:
        user = ["--user"] if os.geteuid() else []
        try:
            done = subprocess.run(
                [generator, "--no-kmsg-log", *user, directory],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
                timeout=_TIMEOUT,
                env=os.environ | {"QUADLET_UNIT_DIRS": folders},
            )
        except subprocess.TimeoutExpired:
            what = f"{generator} has not ended within {_TIMEOUT:g} s"
            raise ActivatorError(what, "see whether the files can be read") from None
        if done.returncode:
            raise combine([_problem(line) for line in _complaints(done.stderr)])
        return {
            path.name: path.read_text(encoding="utf-8", errors="surrogateescape")
            for path in sorted(Path(directory).glob("*.service"))
        }


def _complaints(text: str) -> list[str]:
    """Return what the generator says is wrong; its warnings are not."""
    lines = [_PREFIX.sub("", line) for line in text.splitlines()]
    wrong = [line for line in lines if not line.startswith(("Warning", "processing "))]
    return wrong or lines or ["podman's generator fails, and does not say why"]


def _problem(line: str) -> ActivatorError:
    """Return the error of a line such as ``"web.container": no Image key specified``."""
    hint = "podman-systemd.unit(5) has what it may say"
    name, separator, what = line.partition('": ')
    if separator and name.startswith('"'):
        return ActivatorError(what, hint, place=name[1:])
    return ActivatorError(line, hint)


def _origin(text: str) -> str:
    """Return the file that a service was made of."""
    found = _SOURCE.search(text)
    return found[1] if found else "podman"


def _adapted(text: str) -> str:
    """Return a service as it is run here."""
    for pattern, replacement in _CHANGES:
        text = pattern.sub(replacement, text)
    return text
