"""The first act: a spec becomes units."""

from activator.cli.demo.stage import Stage

OLD, NEW = 252, 257  # bookworm's and trixie's
UNIT = f"for-{OLD}/hello.socket"

HANDLER = """\
def hello(sock):
    with sock.makefile() as lines:
        name = lines.readline().strip()
    sock.sendall(f"Hello, {name}!\\n".encode())
"""
SPEC = """\
name = "{name}"
mode = "{mode}"
handler = "hello:hello"
app-dir = "{directory}"
{more}
[sockets.{name}]
ListenStream = ["127.0.0.1:{port}", "/run/{name}.sock"]
"""


def spec(stage: Stage, name: str, mode: str, port: int, more: str = "") -> str:
    """Return the spec of a service that greets its clients."""
    values = {"name": name, "mode": mode, "port": stage.port(port), "more": more}
    return SPEC.format(**values, directory=stage.directory)


def act(stage: Stage) -> None:
    """Write a handler and a spec, and generate units for two versions of systemd."""
    stage.write("hello.py", HANDLER, show=True)
    stage.write("hello.toml", spec(stage, "hello", "shared", 7777), show=True)
    lines = {}
    for version in (NEW, OLD):
        stage.command("gen", "hello.toml", "--systemd", str(version), "-o", f"for-{version}")
        text = (stage.directory / f"for-{version}" / "hello.service").read_text()
        lines[version] = [line for line in text.splitlines() if line and line[0] not in "#["]
    only = [line for line in lines[NEW] if line not in lines[OLD]]
    stage.expect(only, f"the units for {NEW} are those for {OLD}")
    stage.text(f"only for {NEW}: {', '.join(only)}")
    stage.file(UNIT)
    stage.text(f"hello.service has {len(lines[OLD])} more, each explained by gen --explain")
