"""What is optional, and how it is installed: extras of the distribution, packages of Debian."""

# The name on the package index, where `activator` is somebody else's.
DISTRIBUTION = "systemd-activator"
# Extra → Debian's packages that bring the same, the one that cannot be done without first.
DEBIAN = {
    "asgi": ("python3-uvicorn", "python3-httptools", "python3-websockets"),
    "learn": ("python3-tomlkit",),
    "metrics": ("python3-prometheus-client",),
    "reload": ("python3-watchfiles",),
    "status": ("python3-pyroute2",),
    "uvloop": ("python3-uvloop",),
    "wsgi": ("python3-waitress",),
}


def installing(extra: str) -> str:
    """Return the hint that says how an extra is installed, with pip or with apt."""
    return f"pip install '{DISTRIBUTION}[{extra}]', or apt install {DEBIAN[extra][0]}"
