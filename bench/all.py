"""Run every comparison here and print one table: ``python bench/all.py [NAME]...``.

Nothing is written unless ``--write docs/performance.json`` asks for it: the figures, and the page
and the plots beside them.
"""

import argparse
import datetime as dt
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import compare
import page

BENCH = Path(__file__).parent
PACKAGES = ("click", "jinja2", "systemd-python", "uvloop")


def main() -> int:
    """Run the scripts; return 1 if a bar is missed or a script fails."""
    scripts = {
        path.stem: path for path in sorted(BENCH.glob("*.py")) if "\ndef rows(" in path.read_text()
    }
    parser = argparse.ArgumentParser(description="Run every comparison and print one table.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(scripts)}")
    parser.add_argument(
        "--write", metavar="FILE", type=Path, help="write the figures, and page and plots"
    )
    options = parser.parse_args()
    if unknown := sorted(set(options.names) - set(scripts)):
        parser.error(f"no script {unknown[0]!r}; there are {', '.join(scripts)}")
    began = time.monotonic()
    facts = machine()
    for name, text in facts.items():
        print(f"{name:<10}{text}")
    print(f"\n{compare.line(compare.HEAD)}")
    done: dict[str, page.Subject] = {}
    failed = []
    for name in options.names or scripts:
        title = subject(scripts[name])
        print(title, flush=True)
        done[name] = page.Subject(title, [])
        try:
            for row in run(scripts[name]):
                done[name].rows.append(row)
                print(compare.line(("  " + row.name, *row.cells[1:])), flush=True)
        except subprocess.CalledProcessError as error:
            failed.append(name)
            print(f"  {error}", flush=True)
    judged = [row for each in done.values() for row in each.rows if row.bar is not None]
    short = [row for row in judged if not row.kept]
    print(
        f"\n{len(judged) - len(short)} of {len(judged)} bars kept, {len(failed)} scripts failed, "
        f"{time.monotonic() - began:.0f} s"
    )
    if options.write and not failed:
        options.write.write_text(page.dump(facts, done), encoding="utf-8")
        page.write(options.write)
    return bool(short or failed)


def run(script: Path) -> Iterator[compare.Row]:
    """Yield a script's rows as they come, and tell on a terminal what is being measured.

    Raises:
        subprocess.CalledProcessError: The script did not come to its end.
    """
    with subprocess.Popen(
        [sys.executable, str(script), compare.JSON], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        begun = time.monotonic()
        status(f"  {script.name}: measuring ...")
        for line in process.stdout:
            status("")
            yield compare.Row(*json.loads(line))
            status(f"  {script.name}: measuring, {time.monotonic() - begun:.0f} s so far ...")
        status("")
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, script.name)


def status(text: str) -> None:
    """Show a line that the next one replaces, on a terminal alone."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def subject(script: Path) -> str:
    """Return what a script measures: the first line of its docstring."""
    return script.read_text().partition("\n")[0].strip('"').rstrip(".")


def machine() -> dict[str, str]:
    """Describe where this runs, and with what."""
    processors = [
        line.partition(": ")[2]
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    model = processors[0] if processors else platform.machine()
    versions = []
    for package in PACKAGES:
        try:
            versions.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return {
        "machine": f"{len(os.sched_getaffinity(0))} x {model}, {memory:.1f} GiB",
        "system": f"{platform.freedesktop_os_release()['PRETTY_NAME']}, Linux {platform.release()}",
        "python": f"{platform.python_version()}; {', '.join(versions)}",
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
    }


if __name__ == "__main__":
    sys.exit(main())
