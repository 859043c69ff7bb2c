"""Drawings of sockets, services and needs: their content, and names that mean nothing in them."""

import os
import re
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from activator.check.graph.edges import Graph, Node, draw
from activator.check.graph.forms import mermaid, text
from activator.check.graph.picture import colours, dot, looks, svg
from activator.check.world import Texts

SERVICE = "shop-all.service"
BIN = Path(sys.executable).parent / "activator"
UNITS = {
    "shop.socket": """[Unit]
Wants=network-online.target
After=network-online.target
[Socket]
ListenStream=127.0.0.1:7753
ListenDatagram=127.0.0.1:7753
SocketUser=shop
Symlinks=/run/shop.sock
Service=shop-all.service
""",
    "admin.socket": "[Socket]\nListenStream=/run/admin\nService=shop-all.service\n",
    "shop-all.service": """[Unit]
Requires=shop.socket
BindsTo=store.service
After=store.service
[Service]
ExecStart=-/usr/bin/shop "a b"
Sockets=shop.socket admin.socket
EnvironmentFile=-/etc/default/shop
StateDirectory=shop
User=shop
""",
    "store.service": "[Service]\nExecStart=/usr/bin/store\nDynamicUser=yes\n",
    "each.socket": "[Socket]\nListenStream=99\nAccept=yes\n",
    "each@.service": "[Service]\nExecStart=/bin/%p\nStandardInput=socket\n",
    "lost.socket": "[Socket]\nListenStream=98\n",
}
TREE = """\
shop.socket
├─ ListenStream    127.0.0.1:7753
├─ ListenDatagram  127.0.0.1:7753 (datagram)
├─ starts          shop-all.service
│  ├─ Sockets, Requires  shop.socket (see above)
│  ├─ Sockets            admin.socket
│  │  ├─ ListenStream  /run/admin
│  │  └─ starts        shop-all.service (see above)
│  ├─ ExecStart          /usr/bin/shop
│  ├─ BindsTo, After     store.service
│  │  ├─ ExecStart    /usr/bin/store
│  │  └─ DynamicUser  store (user)
│  ├─ User               shop (user)
│  ├─ EnvironmentFile    /etc/default/shop
│  └─ StateDirectory     /var/lib/shop
├─ Wants, After    network-online.target
├─ SocketUser      shop (user)
└─ Symlinks        /run/shop.sock
"""


def graph(*options: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    argv = [str(BIN), "graph", *options]
    return subprocess.run(argv, capture_output=True, text=True, check=False, cwd=cwd, timeout=300)


def test_tree() -> None:
    """All that a socket starts and needs is below it, each once."""
    drawn = text(draw([Texts(UNITS, 257)]))
    assert TREE in drawn
    assert (
        "each.socket\n├─ ListenStream           99\n└─ starts per connection  each@.service\n"
        in (drawn)
    )
    assert "ExecStart  /bin/each" in drawn
    assert "starts        lost.service (missing)" in drawn


def test_specs_units_and_folders(tmp_path: Path) -> None:
    """A spec draws what its units draw, and a folder all of it; nothing else is asked."""
    for name, content in UNITS.items():
        (tmp_path / name).write_text(content)
    done = graph(".", cwd=tmp_path)
    assert (0, "") == (done.returncode, done.stderr)
    # Units are drawn by name in the folder's order.
    assert "shop-all.service" in done.stdout
    alone = graph("each.socket", cwd=tmp_path).stdout
    assert alone.startswith("each.socket\n")
    assert "each@.service" in alone
    assert "shop" not in alone
    made = tmp_path / "made"
    spec = tmp_path / "echo.toml"
    spec.write_text('name = "echo"\nexec = "/usr/bin/e"\n[sockets.echo]\nListenStream = 7\n')
    subprocess.run([BIN, "gen", spec, "-o", made], check=True, capture_output=True)
    assert graph(str(spec)).stdout == graph(str(made)).stdout != ""


@pytest.mark.parametrize("unit", ["one", "one@"])
def test_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unit: str) -> None:
    """A unit of the search path is found by its name, and with all others."""
    folder = tmp_path / ".config/systemd/user"
    folder.mkdir(parents=True)
    accept = "yes" if "@" in unit else "no"
    (folder / "one.socket").write_text(f"[Socket]\nListenStream=7\nAccept={accept}\n")
    (folder / f"{unit}.service").write_text("[Service]\nExecStart=/bin/one\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    for options in (["one.socket"], ["--installed"], [f"{unit}.service"]):
        done = graph("--user", *options)
        assert (0, "") == (done.returncode, done.stderr)
        assert "one.socket\n├─ ListenStream" in done.stdout
        assert f"{unit}.service\n" in done.stdout


PROXY = {
    "shop.socket": "[Socket]\nListenStream=80\nService=shop-proxy.service\n",
    "shop-proxy.service": """[Unit]
Requires=shop.socket
BindsTo=shop.service
After=shop.service
[Service]
ExecStart=/usr/lib/systemd/systemd-socket-proxyd --exit-idle-time=5min 127.0.0.1:8080
""",
    "shop.service": "[Service]\nExecStart=/usr/bin/shop\nUser=shop\n",
}


@pytest.mark.parametrize("installed", [False, True])
def test_what_is_behind_a_proxy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, installed: bool
) -> None:
    """Where clients are led, and the program there with all it needs, also by a unit's name."""
    folder = tmp_path / ".config/systemd/user" if installed else tmp_path
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in PROXY.items():
        (folder / name).write_text(content)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    done = graph("--user", "shop.socket", cwd=None if installed else tmp_path)
    assert (0, "") == (done.returncode, done.stderr)
    assert "forwards to" in done.stdout
    assert "served by  shop.service" in done.stdout
    assert "User       shop (user)" in done.stdout


def test_arrows_lead_along_the_way_of_a_client() -> None:
    """From the address to the socket, its service, what that forwards to, and who serves it."""
    drawn = draw([Texts(PROXY, 257)])
    names = {node.name: f"n{number}" for number, node in enumerate(drawn.nodes)}
    way = ["80", "shop.socket", "shop-proxy.service", "127.0.0.1:8080", "shop.service"]
    for before, after in pairwise(way):
        assert f"{names[before]} -> {names[after]} [" in dot(drawn)
        assert re.search(rf"{names[before]} -->\|[^|]*\| {names[after]}\n", mermaid(drawn))


def test_no_arrow_leads_back_to_where_clients_come_from() -> None:
    """What a service needs of its own socket is told at the arrow from there."""
    drawn = draw([Texts(UNITS, 257)])
    names = {node.name: f"n{number}" for number, node in enumerate(drawn.nodes)}
    shop, admin, service = (names[f"{name}"] for name in ("shop.socket", "admin.socket", SERVICE))
    told = {
        (source, target): label
        for source, target, label in re.findall(r'(n\d+) -> (n\d+) \[label="([^"]*)"', dot(drawn))
    }
    assert "starts, ← Sockets, ← Requires" == told[shop, service]
    assert "starts, ← Sockets" == told[admin, service]
    assert not {(service, shop), (service, admin)} & told.keys()
    assert len(re.findall("-->", mermaid(drawn))) == len(told)


def test_a_picture_has_one_font_and_colours() -> None:
    """Legend, nodes and edges name the same font, and each kind of node has its own colours."""
    text = dot(draw([Texts(UNITS, 257)]))
    assert 1 == len(set(re.findall(r'fontname="([^"]*)"', text)))
    assert len(re.findall("fontname", text)) == len(("graph", "node", "edge"))
    assert len(set(re.findall(r'fillcolor="([^"]*)"', text))) >= 4


def test_the_legend_has_what_is_there() -> None:
    """It tells of each kind of node and arrow that is drawn, and of no other."""
    (legend,) = re.findall(r"label=<(.*)>;", dot(draw([Texts(UNITS, 257)])))
    for words in ("socket unit", "missing", "user or group", "the way of a client", "needs, or is"):
        assert 1 == legend.count(words)
    alone = dot(chained(["a.service", "b"]))
    assert "socket unit" not in alone
    assert "the way of a client" not in alone


def test_every_kind_has_a_look() -> None:
    """No kind of node is without colours, and each colour that is drawn has one for dark pages."""
    found = {node.kind for node in draw([Texts(UNITS | PROXY, 257)]).nodes}
    assert found | {"group"} <= looks().keys()
    drawn = draw([Texts(UNITS | PROXY, 257)])
    light = set(re.findall(r"#[0-9a-f]{6}", dot(drawn)))
    assert light <= {colour for pair in colours() for colour in pair}
    # One light colour has one dark one.
    assert len(colours()) == len({pair[0] for pair in colours()})


@pytest.mark.skipif(not shutil.which("dot"), reason="Graphviz is not installed")
def test_a_picture_is_whole_by_itself_and_says_what_it_shows() -> None:
    """It refers to nothing elsewhere, has the tree as its description, and colours for the dark."""
    graph = draw([Texts(UNITS, 257)])
    drawn = svg(graph)
    assert ["http://www.w3.org/2000/svg"] == re.findall(r"https?://[^\"]*", drawn)
    root = ET.fromstring(drawn)  # noqa: S314 - our own
    titles, descriptions, styles = (
        [one.text or "" for one in root.iter(f"{{http://www.w3.org/2000/svg}}{name}")]
        for name in ("title", "desc", "style")
    )
    assert ["Sockets, what they start, and what that needs"] == titles
    assert [text(graph)] == descriptions
    assert "prefers-color-scheme: dark" in "".join(styles)


def test_a_chain_of_any_length(tmp_path: Path) -> None:
    """Units that need each other are drawn without recursion."""
    count = 1500
    for number in range(count):
        text = f"[Unit]\nRequires=c{number + 1}.service\n[Service]\nExecStart=/bin/true\n"
        (tmp_path / f"c{number}.service").write_text(text)
    done = graph(".", cwd=tmp_path)
    assert (0, "") == (done.returncode, done.stderr)
    assert f"c{count}.service (missing)" in done.stdout


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (["fifo.socket"], 2, "fifo.socket is not a file"),
        (["fifo.toml"], 1, "fifo.toml: the spec cannot be read"),
        (["/dev/zero"], 2, "/dev/zero is not a unit"),
        ([], 2, "name specs, units or folders"),
        (["--installed", "x.socket"], 2, "name specs, units or folders"),
        (["nobody-has-it.socket"], 2, "there is no unit nobody-has-it.socket"),
        (["/nowhere/x.socket"], 2, "there is no file /nowhere/x.socket"),
        (["/nowhere"], 2, "/nowhere is not a unit"),
        (["bad.toml"], 1, "bad.toml:1: "),
        (["empty.target"], 1, "there is no socket"),
    ],
)
def test_mistakes(tmp_path: Path, options: list[str], status: int, message: str) -> None:
    """A wrong argument is told in one line."""
    (tmp_path / "bad.toml").write_text("name = \n")
    (tmp_path / "empty.target").write_text("[Unit]\n")
    os.mkfifo(tmp_path / "fifo.socket")
    os.mkfifo(tmp_path / "fifo.toml")
    done = graph(*options, cwd=tmp_path)
    assert (status, "") == (done.returncode, done.stdout)
    assert done.stderr.startswith(message), done.stderr
    assert 1 == done.stderr.count("\n")


def test_svg_without_graphviz(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no dot, that is told with what to do."""
    monkeypatch.setenv("PATH", "/nowhere")
    done = graph("units/echo.toml", "--format", "svg", cwd=Path(__file__).parents[2])
    assert (1, "") == (done.returncode, done.stdout)
    assert done.stderr.startswith("there is no dot, which draws SVG; install graphviz, or")


NAMES = st.text(
    st.one_of(
        st.sampled_from("\"\\&<>{}[]()|#;`%@:~*_\n\t'/é→\x00\x1b\udc80"),
        st.characters(),
    ),
    min_size=1,
    max_size=12,
).filter(str.strip)


def chained(names: list[str]) -> Graph:
    """Return a graph with nodes and edges of some names."""
    made = Graph()
    for before, after in pairwise(names):
        made.connect(Node("service", before), after, Node("file", after))
    return made


@given(st.lists(NAMES, min_size=2, max_size=8))
def test_names_in_mermaid(names: list[str]) -> None:
    """Whatever a name holds, each line is one node or one edge, and its entities give it back."""
    made = chained(names)
    lines = mermaid(made).splitlines()
    assert "flowchart LR" == lines[0]
    count = len(made.nodes)
    assert 1 + count + len(list(made.edges())) == len(lines)
    for node, line in zip(made.nodes, lines[1:], strict=False):
        found = re.fullmatch(r'  n\d+\[/?"([A-Za-z0-9 ._/=,+#;-]*)"/?\]', line)
        assert found, line
        assert shown(node.name) == re.sub(r"#(\d+);", lambda one: chr(int(one[1])), found[1])


@pytest.mark.skipif(not shutil.which("dot"), reason="Graphviz is not installed")
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(NAMES, min_size=2, max_size=8))
def test_names_in_dot(names: list[str]) -> None:
    """Graphviz draws every name as it is."""
    made = chained(names)
    drawn = ET.fromstring(svg(made).encode())  # noqa: S314 - our own
    texts = ["".join(one.itertext()) for one in drawn.iter("{http://www.w3.org/2000/svg}text")]
    wanted = [shown(node.name) for node in made.nodes]
    wanted += [shown(label) for _, labels, _ in made.edges() for label in [", ".join(labels)]]
    # The legend.
    wanted += ["service unit", "program, file or directory", "- - ▶  needs, or is ordered by"]
    assert sorted(map(plain, wanted)) == sorted(map(plain, texts)), dot(made)


def shown(name: str) -> str:
    """Return a name with what cannot be shown escaped."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in name
    )


def plain(name: str) -> str:
    """Return a text without the white space that SVG and XML may change."""
    return re.sub(r"\s", "", name)


@pytest.mark.parametrize("name", ["shop.socket", "shop.container", "."])
def test_a_container_is_drawn_as_the_service_that_is_made_of_it(tmp_path: Path, name: str) -> None:
    """Whatever is named, the socket starts the service, of which file and image are told."""
    (tmp_path / "shop.socket").write_text("[Socket]\nListenStream=80\n")
    container = "[Unit]\nRequires=shop.socket\n[Container]\nImage=localhost/shop:1\n"
    (tmp_path / "shop.container").write_text(container)
    argv = [str(BIN), "graph", str(tmp_path / name)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=120)
    assert (
        done.stdout
        == """\
shop.socket
├─ ListenStream  80
└─ starts        shop.service
   ├─ made of   shop.container
   ├─ Image     localhost/shop:1
   └─ Requires  shop.socket (see above)
"""
    )


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ('mode = "per-connection"\n', "starts per connection  shop@.service"),
        ('mode = "proxy"\nbackend = 8080\n', "served by  shop.service"),
    ],
    ids=["per-connection", "proxy"],
)
def test_the_containers_of_a_spec_are_drawn(tmp_path: Path, more: str, expected: str) -> None:
    """No service that Quadlet makes is missing."""
    spec = tmp_path / "shop.toml"
    head = 'name = "shop"\nimage = "localhost/shop:1"\n'
    spec.write_text(f'{head}{more}[sockets.http]\nListenStream = "127.0.0.1:7753"\n')
    argv = [str(BIN), "graph", str(spec)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=120)
    assert expected in done.stdout
    assert "made of" in done.stdout
    assert "(missing)" not in done.stdout
