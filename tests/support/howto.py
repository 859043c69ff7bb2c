"""The examples of docs/howto/: what each section of a page has to be written and run."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from tests.support.pages import blocks
from tests.support.tree import ROOT

_FILE = re.compile(
    r"^`(?P<name>[\w.]+)`:\n\n```\w*\n(?P<content>.*?)^```$", re.DOTALL | re.MULTILINE
)
FOLDER = ROOT / "docs/howto"
# Generous: it is only reached by a test that fails.
SECONDS = 180
# Whatever still runs when a command has failed, or takes too long, ends with the script.
PROLOGUE = "set -e\ntrap 'jobs -p | xargs --no-run-if-empty kill || true; wait' EXIT\n"
# Where the pages have their files.
PLACE = "/srv/hello"
# What a block may be for besides a file, commands and what these print, and who tries it.
ELSEWHERE = {
    "install": "tests/test_howto_boxes.py, tests/deploy/test_installers.py",
    "image": "tests/local/test_docs.py",
}
# Section → the program, or the module of Python, that it is about.
PROGRAMS = {
    "gunicorn": "gunicorn",
    "uvicorn": "uvicorn",
    "hypercorn": "hypercorn",
    "nginx": "nginx",
    "Node.js": "node",
    "Go": "go",
    "TLS": "openssl",
    "HAProxy": "haproxy",
    "HAProxy with two instances": "haproxy",
    "In CI": "jq",
    "In pytest": "pytest",
    "Django with ASGI": "django-admin",
    "Django with WSGI": "django-admin",
}
MODULES = {
    "FastAPI": "fastapi",
    "Starlette": "starlette",
    "Flask": "flask",
    "aiohttp": "aiohttp",
    "Tornado": "tornado",
    "Twisted": "twisted",
    "Trio": "trio",
    "anyio": "anyio",
}


class Example(NamedTuple):
    """A section of a page, with what the page's beginning gives to all of its sections."""

    page: str
    title: str
    files: dict[str, str]
    script: str
    prints: str

    def unprinted(self, output: str) -> list[str]:
        """Return the lines that should have been printed, in their order, and were not."""
        said = iter(output.splitlines())
        # `in` goes on where the line before was found.
        return [line for line in self.prints.splitlines() if line not in said]


def shell(script: str) -> tuple[str, ...]:
    """Return the command that runs an example's commands, in a folder with its files."""
    return ("timeout", "--kill-after=20", str(SECONDS), "bash", "-m", "-c", PROLOGUE + script)


def examples() -> Iterator[Example]:
    """Yield the example of each section that has one."""
    for path in sorted(FOLDER.glob("*.md")):
        beginning, *sections = re.split(r"^## ", path.read_text(), flags=re.MULTILINE)
        for section in sections:
            script = _texts(section, "run") or _texts(beginning, "run")
            if script and files(section):
                yield Example(
                    path.stem,
                    section.partition("\n")[0],
                    files(beginning) | files(section),
                    script,
                    _texts(section, "prints") or _texts(beginning, "prints"),
                )


def files(text: str) -> dict[str, str]:
    """Return the files of a text: each is a block below a line that has but its name."""
    return {match["name"]: match["content"] for match in _FILE.finditer(text)}


def _texts(text: str, mark: str) -> str:
    return "".join(block.text for block in blocks(text, mark))
