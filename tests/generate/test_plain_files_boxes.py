"""What ``activator gen --format json`` tells is enough for a tool that knows files and commands."""

import json

import pytest

from tests.boxes.box import Box

ECHO = """\
name = "plain"
handler = "activator.examples.echo:echo"
[sockets.plain]
ListenStream = "127.0.0.1:7790"
"""
# A tool that knows nothing of systemd, and of activator no more than its output.
TOOL = """\
import json, os, shutil, subprocess, sys

told = json.load(sys.stdin)
for unit in told["units"]:
    file = unit["file"]
    with open(file["path"], "w") as out:
        out.write(unit["text"])
    os.chmod(file["path"], int(file["mode"], 8))
    shutil.chown(file["path"], file["owner"], file["group"])
for words in told["commands"]:
    subprocess.run(words, check=True)
"""


@pytest.mark.parametrize("mode", ["shared", "per-connection"])
def test_plain_files(box: Box, mode: str) -> None:
    """It answers, is enabled, and `activator install` finds nothing left to do."""
    box.write("/root/plain.toml", f'mode = "{mode}"\n{ECHO}')
    words = ("/root/plain.toml", "--systemd", "installed")
    told = box.run("activator", "gen", *words, "--stdout", "--format", "json").stdout
    try:
        box.run(box.python, "-c", TOOL, input=told)
        said = box.run("socat", "-t120", "-", "TCP:127.0.0.1:7790", input="hello\n").stdout
        assert "hello\n" == said
        assert "enabled" == box.systemctl("is-enabled", "plain.socket").stdout.strip()
        planned = box.run("activator", "install", "/root/plain.toml", "--dry-run").stdout
        assert "" == "".join(line for line in planned.splitlines() if "nothing" not in line)
        for unit in json.loads(told)["units"]:
            assert unit["enable"] is unit["name"].endswith(".socket")
    finally:
        box.run("activator", "uninstall", "plain", "--force", check=False)
