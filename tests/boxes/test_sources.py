"""Finding Debian's mirror in apt's own configuration."""

from pathlib import Path

import pytest

from tests.boxes.sources import debian_source

DEB822 = """
# A comment
Types: deb deb-src
URIs: http://mirror.test/debian
Suites: bookworm
 bookworm-updates
Components: main contrib
Signed-By: /keys/debian.gpg

Types: deb
URIs: http://security.test/debian-security
Suites: bookworm-security
Components: main
"""
EMBEDDED = """
Types: deb
URIs: http://mirror.test/debian/
Suites: trixie
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abc
 -----END PGP PUBLIC KEY BLOCK-----
"""
ONE_LINE = """
deb http://other.test/grafana stable main  # not Debian, but it looks so
deb [arch=amd64 signed-by=/keys/debian.gpg] http://mirror.test/debian trixie main
"""
OTHERS = """
deb http://archive.test/ubuntu noble main
deb http://docker.test/linux/debian bookworm stable
# deb http://mirror.test/debian trixie main
deb-src http://mirror.test/debian trixie main
"""


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        (
            "a.sources",
            DEB822,
            "deb [signed-by=/keys/debian.gpg] http://mirror.test/debian sid main",
        ),
        ("a.sources", EMBEDDED, "deb http://mirror.test/debian/ sid main"),
        ("a.list", ONE_LINE, "deb [signed-by=/keys/debian.gpg] http://mirror.test/debian sid main"),
    ],
)
def test_found(tmp_path: Path, name: str, text: str, expected: str) -> None:
    """The mirror of Debian's main archive is found in both formats, with its key."""
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d" / name).write_text(text)

    source = debian_source(tmp_path)

    assert source
    assert source.line("sid") == expected


def test_none(tmp_path: Path) -> None:
    """Archives of others, and lines that are off, are not taken for Debian's."""
    (tmp_path / "sources.list").write_text(OTHERS)
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d" / "off.sources").write_text(
        DEB822.replace("# A comment", "Enabled: no")
    )

    assert debian_source(tmp_path) is None
