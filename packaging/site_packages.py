"""Print the directory below a prefix where this interpreter looks for packages.

``python packaging/site_packages.py PREFIX``: Debian's has one below /usr and one below /usr/local,
named otherwise than elsewhere. A prefix that it does not look into gets the usual name, and a line
on stderr that says so.
"""

import site
import sys


def main(prefix: str) -> None:
    """Print the directory."""
    known = [path for path in site.getsitepackages() if path.startswith(f"{prefix}/lib/")]
    usual = f"{prefix}/lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
    if not known:
        hint = f"start the command with PYTHONPATH={usual}"
        print(f"install: {sys.executable} does not look into {usual}; {hint}", file=sys.stderr)
    print([*known, usual][0])


if __name__ == "__main__":
    main(sys.argv[1])
