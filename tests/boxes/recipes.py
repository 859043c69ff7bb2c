"""What root file systems are made of: to boot, to build Debian packages in, to run daemons of."""

import re
from dataclasses import dataclass
from pathlib import Path

# Suite → the systemd it brings (sid: at least). sid moves, so a failure there is nobody's fault.
SUITES = {"bookworm": 252, "trixie": 257, "sid": 262}
MOVING = "sid"

CONTROL = Path(__file__).parents[2] / "packaging/debian/control"
# Units that would only make a boot slower, or take a port before a test does.
UNWANTED = ("nginx.service", "apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer")
OPTIONS = (
    # A mirror may be a snapshot, whose Release file has run out by design.
    '--aptopt=Acquire::Check-Valid-Until "false"',
    '--aptopt=Acquire::Languages "none"',
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
)


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a root file system is made of.

    Attributes:
        name: What it is for, in a word.
        packages: What is installed in it.
        options: How mmdebstrap is called.
    """

    name: str
    packages: tuple[str, ...]
    options: tuple[str, ...]


# A systemd to boot, with the clients and servers that tests use.
BOX = Recipe(
    "box",
    (
        "curl",
        "dbus",
        "iproute2",
        "libpam-systemd",
        "netcat-openbsd",
        "nginx-light",
        "procps",
        "python3",
        "python3-click",
        "python3-dbus",
        "python3-installer",
        "python3-jinja2",
        "python3-systemd",
        "socat",
        "systemd",
        "systemd-sysv",
    ),
    (
        "--variant=minbase",
        *OPTIONS,
        f'--customize-hook=chroot "$1" systemctl disable --quiet {" ".join(UNWANTED)}',
    ),
)


def build_dependencies(control: str) -> tuple[str, ...]:
    """Return the packages that a source package needs to be built, in debian/control's words."""
    fields = re.findall(r"^Build-Depends(?:-Indep)?:((?:.*\n )*.*)", control, re.MULTILINE)
    items = [item.strip() for field in fields for item in field.split(",")]
    # Any version of it will do: a suite has but one.
    names = [re.sub(r"\s*[(\[<].*", "", item) for item in items if item]
    return tuple("debhelper" if name == "debhelper-compat" else name for name in names)


# What builds our Debian packages, and judges them.
BUILD = Recipe(
    "build",
    (*build_dependencies(CONTROL.read_text()), "autopkgtest", "lintian", "man-db"),
    ("--variant=buildd", *OPTIONS[:2]),
)
# Where people install with pip, pipx and uv: what docs/packages.md tells them to have for that.
INSTALL = Recipe(
    "install",
    (
        *("gcc", "libc6-dev", "pkg-config", "python3-dev", "libsystemd-dev"),
        *("python3-systemd", "python3-venv", "pipx", "man-db"),
    ),
    ("--variant=minbase", *OPTIONS[:2]),
)
# A systemd to boot, on which a reader of the tutorial packages a daemon.
TUTORIAL = Recipe("tutorial", (*BOX.packages, "build-essential", "debhelper"), BOX.options)
# Other people's units that come with a socket, and their daemons: small ones, none of which
# needs more than itself.
DAEMONS = Recipe(
    "daemons",
    (
        "acpid",
        "approx",
        "fcgiwrap",
        "gpsd",
        "libpam-systemd",
        "micro-httpd",
        "oidentd",
        "openssh-server",
        "pcscd",
        "python3-click",
        "python3-jinja2",
        "python3-systemd",
        "rpcbind",
        "tang",
        "uucp",
        "uuid-runtime",
    ),
    ("--variant=minbase", *OPTIONS),
)
# Programs that nobody here wrote, from which needs are learned.
LEARN = Recipe(
    "learn",
    (
        *BOX.packages,
        "bind9-dnsutils",
        "dnsmasq-base",
        "gunicorn",
        "haproxy",
        "memcached",
        "mosquitto",
        "mosquitto-clients",
        "nodejs",
        "prometheus-node-exporter",
        "python3-django",
        "python3-flask",
        "python3-httptools",
        "python3-uvicorn",
        "python3-waitress",
        "redis-server",
        "strace",
        "wrk",
    ),
    BOX.options,
)
# The same to boot, with more that comes with a socket; none of it is started by itself. Built
# for the one test that wants it.
OBSERVED = Recipe(
    "observed",
    (
        *BOX.packages,
        "acpid",
        "approx",
        "atftpd",
        "avahi-daemon",
        "cups-daemon",
        "fcgiwrap",
        "gpsd",
        "lvm2",
        "micro-httpd",
        "multipath-tools",
        "oidentd",
        "open-iscsi",
        "openssh-server",
        "pcscd",
        "rpcbind",
        "sane-utils",
        "tang",
        "uucp",
        "uuid-runtime",
    ),
    (
        *BOX.options,
        '--customize-hook=mkdir -p "$1/etc/systemd/system-preset"',
        '--customize-hook=echo "disable *" >"$1/etc/systemd/system-preset/00-none.preset"',
        '--customize-hook=chroot "$1" systemctl preset-all --quiet',
    ),
)
# The hosts of a fleet: reached by ssh, watched by Prometheus, with what an ASGI application needs.
FLEET = Recipe(
    "fleet",
    (
        *BOX.packages,
        "openssh-server",
        "prometheus-node-exporter",
        "python3-httptools",
        "python3-prometheus-client",
        "python3-pyroute2",
        "python3-uvicorn",
        "python3-websockets",
        "sudo",
    ),
    BOX.options,
)
# What podman and redis would start at each boot.
EXTRAS = "redis-server.service podman.socket podman-auto-update.timer"
# A systemd to boot that starts containers, of root's and of users': podman with Quadlet.
PODMAN = Recipe(
    "podman",
    (
        *BOX.packages,
        "aardvark-dns",
        "crun",
        "dbus-user-session",
        "netavark",
        "nftables",
        "passt",
        "podman",
        "python3-watchfiles",
        "redis-server",
        "slirp4netns",
        "uidmap",
    ),
    (*BOX.options, f'--customize-hook=chroot "$1" systemctl disable --quiet {EXTRAS}'),
)
# What served before systemd did. The two packages exclude each other, so that one of them is put
# beside the other. Built for the tests that want it, under load.
SUPERSERVERS = Recipe(
    "superservers",
    (*BOX.packages, "netbase", "openbsd-inetd"),
    (
        *BOX.options,
        '--customize-hook=chroot "$1" systemctl disable --quiet inetd.service',
        """--customize-hook=chroot "$1" sh -c 'cd /tmp && apt-get download xinetd \
            && dpkg -x xinetd_*.deb / && rm xinetd_*.deb'""",
    ),
)
# What is built before the tests: each recipe, and its suites.
ROOTS = {
    BOX: tuple(SUITES),
    BUILD: tuple(SUITES),
    DAEMONS: ("bookworm",),
    FLEET: tuple(SUITES),
    INSTALL: tuple(SUITES),
    LEARN: ("trixie",),
    OBSERVED: ("trixie",),
    # bookworm's podman knows no Quadlet.
    PODMAN: ("trixie", MOVING),
    TUTORIAL: ("trixie",),
}
