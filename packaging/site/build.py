"""Build the site and the manual pages: all pages, and the commands from their help.

``PYTHONPATH=. python packaging/site/build.py DIRECTORY [html] [man]`` leaves the site in
DIRECTORY/html, as files that need no server and load nothing from elsewhere, and the manual pages
in DIRECTORY/man. A warning is an error: so are a link and an anchor that lead nowhere.
"""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

from commands import STATUS, pages
from manual import DOCUMENTS
from pictures import draw

from activator.cli import COMMANDS

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
# What lies beside the pages, so that their links lead to it.
BESIDE = ("docs", "README.md", "CONTRIBUTING.md", "LICENSE", "activator/examples")


# A picture that is there in two themes, as pages have it: the site has a switch of its own.
_PICTURE = re.compile(
    r'<picture>\n.* srcset="(?P<dark>.*)">\n'
    r'.* alt="(?P<alt>.*)" src="(?P<light>.*)">\n</picture>\n'
)


def lay_out(source: Path) -> None:
    """Lay out what Sphinx reads."""
    shutil.rmtree(source, ignore_errors=True)
    for name in BESIDE:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        copy(ROOT / name, source / name)
    for page in source.rglob("*.md"):
        page.write_text(_PICTURE.sub(_pictures, draw(page.read_text())))
    shutil.copy(HERE / "index.md", source)
    (source / "commands").mkdir()
    names = []
    for name, text in pages():
        names.append(name)
        (source / "commands" / f"{name}.md").write_text(text)
    (source / "commands/index.md").write_text(_commands(names))


def _pictures(match: re.Match[str]) -> str:
    """Return what shows one picture in the light theme, and the other one in the dark theme."""
    # MyST takes options for YAML, where a colon would begin a mapping.
    alt = json.dumps(match["alt"])
    return "".join(
        f"```{{image}} {match[theme]}\n:class: only-{theme}\n:alt: {alt}\n```\n"
        for theme in ("light", "dark")
    )


def _commands(names: list[str]) -> str:
    """Return the page that lists the commands, their exit codes and the other manual pages."""
    lines = ["# Commands", "", "| Command | What it does |", "| --- | --- |"]
    lines += [
        f"| [`activator {command}`](activator-{command}.md) | {summary} |"
        for command, summary in COMMANDS.items()
    ]
    lines += ["", "[`activator`](activator.md) alone takes `--version` and `--help`.", ""]
    lines += ["## Exit codes", "", "Commands have these exit codes, which are also called exit"]
    lines += ["statuses, unless their pages say otherwise:", "", STATUS]
    lines += ["## Manual pages", "", "Each command has a manual page, such as"]
    lines += ["`man activator-install`. These pages are in the manual too:", ""]
    lines += ["| Manual page | What it is about |", "| --- | --- |"]
    for page, (source, summary) in DOCUMENTS.items():
        lines.append(f"| `man {page.rpartition('.')[0]}` | [{summary}](../docs/{source}.md) |")
    lines += ["", "```{toctree}", ":hidden:", "", *names, "```", ""]
    return "\n".join(lines)


def main(directory: Path, builders: list[str]) -> int:
    """Build what is asked for, and return the exit status of Sphinx."""
    lay_out(directory / "source")
    # In short options, which bookworm's Sphinx has too: warnings are errors, all of them are told,
    # and nothing else is.
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q"]
    command += ["-c", str(HERE), "-d", str(directory / "doctrees")]
    for builder in builders:
        done = subprocess.run(
            [*command, "-b", builder, str(directory / "source"), str(directory / builder)],
            check=False,
        )
        if done.returncode:
            return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:] or ["html", "man"]))
