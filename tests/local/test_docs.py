"""The pages of the local activator and its container: the image's entry point, and options."""

import http.client
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.local import PATIENCE, ROOT, Running, environment

TEXT = (ROOT / "docs/local.md").read_text()
IMAGE = (ROOT / "docs/howto/containers.md").read_text()
APPLICATION = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"open\\n"]
"""


def block(language: str, beginning: str) -> str:
    """Return the block in a language that begins so."""
    blocks = re.findall(rf"```{language}\n(.*?)```", IMAGE, re.DOTALL)
    (found,) = [text for text in blocks if text.startswith(beginning)]
    return str(found)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """Return a directory with the application and the spec of the page."""
    text = block("toml", "# shop.toml").replace("/srv/shop", str(tmp_path / "app"))
    if os.geteuid() == 0:
        # www-data may not enter a test's directory.
        text = text.replace("www-data", "root")
    (tmp_path / "app").mkdir()
    (tmp_path / "app/shop.py").write_text(APPLICATION)
    (tmp_path / "shop.toml").write_text(text)
    return tmp_path


def get(port: int) -> bytes:
    """Ask the application."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", "/")
        return connection.getresponse().read()
    finally:
        connection.close()


@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("unshare"), reason="needs root and unshare(1)"
)
def test_entry_point(shop: Path) -> None:
    """The entry point of the image serves as process 1, and stops in time with status 0."""
    (line,) = re.findall(r"^ENTRYPOINT (\[.*\])$", IMAGE, re.MULTILINE)
    program, *words = json.loads(line)
    assert "activator" == program
    words = [str(shop / "shop.toml") if word.endswith(".toml") else word for word in words]
    process = subprocess.Popen(
        ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", sys.executable,
         "-m", "activator", *words, "--free-ports"],
        env=environment(ACTIVATOR_CONTROL=str(shop / "ctl")),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )  # fmt: skip
    run = Running(process)
    try:
        port = int(run.until(r"listening on \S+:(\d+)")[1])
        assert [b"open\n"] * 2 == [get(port), get(port)]
        (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(child), signal.SIGTERM)
        assert 0 == run.wait(), run.text
    finally:
        run.clean_up()


def test_options_are_known() -> None:
    """Every line of a command that is shown names a command and options that exist."""
    lines = "\n".join(re.findall(r"```sh\n(.*?)```", TEXT + IMAGE, re.DOTALL)).replace("\\\n", " ")
    shown = [line for line in lines.splitlines() if line.startswith("activator ")]
    assert len(shown) > 12
    for line in shown:
        _, command, *words = shlex.split(line.partition("  #")[0].partition(">")[0])
        told = subprocess.run(
            [sys.executable, "-m", "activator", command, "--help"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        own = words[: words.index("--")] if "--" in words else words
        for option in [word for word in own if re.match(r"--\w", word)]:
            assert f"{option} " in told or f"{option}\n" in told, line
