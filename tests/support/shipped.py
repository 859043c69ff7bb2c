"""Debian packages that ship sockets, unpacked beside each other: units that others wrote."""

import hashlib
import shutil
import subprocess
from pathlib import Path

from tests.boxes.roots import cache_directory
from tests.boxes.sources import debian_source

# In bookworm, trixie and sid alike.
PACKAGES = (
    *("acpid", "approx", "atftpd", "avahi-daemon", "cockpit-ws", "cups-daemon"),
    *(
        "dbus-user-session",
        "dirmngr",
        "dmeventd",
        "docker.io",
        "dovecot-core",
        "drkonqi",
        "fcgiwrap",
    ),
    *("gnome-keyring", "gpg-agent", "gpsd", "gssproxy", "lirc", "lvm2", "micro-httpd", "mpd"),
    *("multipath-tools", "open-iscsi", "openssh-server", "packagekit", "pcscd", "pipewire"),
    *("pipewire-pulse", "podman", "proftpd-core", "pulseaudio", "rpcbind", "sane-utils"),
    *("snapd", "spice-vdagent", "sssd-common", "sssd-kcm", "systemd", "systemd-coredump"),
    *("systemd-journal-remote", "systemd-oomd", "systemd-userdbd", "tang"),
    *("targetcli-fb", "udev", "uuid-runtime"),
)


def unpacked(suite: str) -> Path:
    """Return a directory with the packages' units, made first if need be.

    Raises:
        subprocess.CalledProcessError: They cannot be downloaded.
    """
    key = hashlib.sha256(" ".join(PACKAGES).encode()).hexdigest()[:12]
    tree = cache_directory() / f"units-{suite}-{key}"
    if tree.is_dir():
        return tree
    partial = tree.with_name(f"{tree.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    archives = partial / "archives"
    archives.mkdir(parents=True)
    for name in ("lists/partial", "cache/archives/partial"):
        (partial / "apt" / name).mkdir(parents=True)
    source = debian_source()
    assert source, "apt has no Debian mirror"
    (partial / "apt/sources.list").write_text(f"{source.line(suite)}\n")
    (partial / "apt/status").touch()
    options = [
        f"-o=Dir::Etc::sourcelist={partial}/apt/sources.list",
        "-o=Dir::Etc::sourceparts=-",
        f"-o=Dir::State::lists={partial}/apt/lists",
        f"-o=Dir::State::status={partial}/apt/status",
        f"-o=Dir::Cache={partial}/apt/cache",
        "-o=Acquire::Languages=none",
        "-o=Acquire::Check-Valid-Until=false",
        "-o=APT::Sandbox::User=root",
    ]
    _run("apt-get", *options, "--quiet=2", "update", cwd=archives)
    _run("apt-get", *options, "--quiet=2", "download", *PACKAGES, cwd=archives)
    system = partial / "usr/lib"
    system.mkdir(parents=True)
    (partial / "lib").symlink_to("usr/lib")
    for archive in sorted(archives.glob("*.deb")):
        _run("dpkg-deb", "--extract", str(archive), str(partial / "one"), cwd=archives)
        for top in ("lib", "usr/lib"):
            units = partial / "one" / top / "systemd"
            if units.is_dir():
                shutil.copytree(units, system / "systemd", symlinks=True, dirs_exist_ok=True)
        shutil.rmtree(partial / "one")
    for name in ("apt", "archives"):
        shutil.rmtree(partial / name)
    partial.rename(tree)
    return tree


def _run(*argv: str, cwd: Path) -> None:
    """Run a command to its end, with its output shown if it fails."""
    subprocess.run(argv, cwd=cwd, check=True, capture_output=True, stdin=subprocess.DEVNULL)
