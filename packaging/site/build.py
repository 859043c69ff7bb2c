"""Build the site: all pages, and the commands from their help.

``PYTHONPATH=. python packaging/site/build.py DIRECTORY`` leaves it in DIRECTORY/html, as files that
need no server and load nothing from elsewhere. A warning is an error: so are a link and an anchor
that lead nowhere.
"""

import json
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

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
    manual = runpy.run_path(str(ROOT / "packaging/man/pages.py"))
    names = []
    for page, text in manual["pages"]():
        if page.endswith(".1"):
            names.append(page.removesuffix(".1"))
            (source / "commands" / f"{names[-1]}.md").write_text(_command(names[-1], text))
    (source / "commands/index.md").write_text(_commands(names, manual))


def _pictures(match: re.Match[str]) -> str:
    """Return what shows one picture in the light theme, and the other one in the dark theme."""
    # MyST takes options for YAML, where a colon would begin a mapping.
    alt = json.dumps(match["alt"])
    return "".join(
        f"```{{image}} {match[theme]}\n:class: only-{theme}\n:alt: {alt}\n```\n"
        for theme in ("light", "dark")
    )


def _commands(names: list[str], manual: dict[str, Any]) -> str:
    """Return the page that lists the commands, their exit codes and the other manual pages."""
    lines = ["# Commands", "", "| Command | What it does |", "| --- | --- |"]
    lines += [
        f"| [`activator {command}`](activator-{command}.md) | {summary} |"
        for command, summary in COMMANDS.items()
    ]
    lines += ["", "[`activator`](activator.md) alone takes `--version` and `--help`.", ""]
    lines += ["## Exit codes", "", "Commands have these exit codes, which are also called exit"]
    lines += ["statuses, unless their pages say otherwise:", "", manual["STATUS"]]
    lines += ["## Manual pages", "", "Each command has a manual page, such as"]
    lines += ["`man activator-install`. These pages are in the manual too:", ""]
    lines += ["| Manual page | What it is about |", "| --- | --- |"]
    for page, (source, summary) in manual["DOCUMENTS"].items():
        lines.append(f"| `man {page.rpartition('.')[0]}` | [{summary}](../docs/{source}) |")
    lines += ["", "```{toctree}", ":hidden:", "", *names, "```", ""]
    return "\n".join(lines)


def _command(name: str, page: str) -> str:
    """Return a command's page of the site, made from its manual page."""
    # What stands before the synopsis is the title and the name; sections there are in capitals.
    summary, _, text = page.partition("\n# SYNOPSIS\n")
    text = re.sub(
        r"^# (.*)$", lambda match: f"## {match[1].capitalize()}", text, flags=re.MULTILINE
    )
    what = summary.rpartition(" - ")[2].strip()
    return f"# {name.replace('-', ' ', 1)}\n\n{what[0].upper()}{what[1:]}.\n\n## Synopsis\n{text}"


def main(directory: Path) -> int:
    """Build it, and return Sphinx's exit status."""
    lay_out(directory / "source")
    # In short options, which bookworm's Sphinx has too: HTML, warnings are errors, all of them are
    # told, and nothing else is.
    command = [sys.executable, "-m", "sphinx", "-b", "html", "-W", "--keep-going", "-q"]
    command += ["-c", str(HERE), "-d", str(directory / "doctrees")]
    return subprocess.run(
        [*command, str(directory / "source"), str(directory / "html")], check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
