"""inetd.conf and xinetd.conf to specs: each field and attribute, and what is refused."""

from pathlib import Path

import pytest

from activator.adopt.model import Adopted, Kind
from activator.adopt.sources import Taker
from activator.adopt.xinetd.access import exceptions, networks, without
from activator.generate import render, specfile

LINE = "stream tcp nowait root /bin/cat cat"
ENTRY = (
    "type = UNLISTED\nport = 7\nsocket_type = stream\nwait = no\nuser = root\nserver = /bin/cat\n"
)


def inetd(folder: Path, text: str) -> list[Adopted]:
    """Take an inetd.conf over."""
    (folder / "inetd.conf").write_text(text)
    return list(Taker().words([f"{folder}/inetd.conf"]))


def xinetd(folder: Path, text: str) -> list[Adopted]:
    """Take an xinetd.conf over."""
    (folder / "xinetd.conf").write_text(text)
    return list(Taker().words([f"{folder}/xinetd.conf"]))


def entry(folder: Path, *attributes: str, name: str = "x", defaults: str = "") -> Adopted:
    """Take a service of xinetd's over."""
    more = "".join(f"{each}\n" for each in attributes)
    text = f"defaults\n{{\n{defaults}\n}}\nservice {name}\n{{\n{ENTRY}{more}}}\n"
    (found,) = xinetd(folder, text)
    return found


def lines(found: Adopted) -> list[str]:
    """Return the lines of all units that a spec gives."""
    units = render.render(specfile.loads(found.text)).values()
    return [line for text in units for line in text.splitlines()]


def told(found: Adopted, kind: Kind) -> str:
    """Return the sentences of a kind."""
    return "\n".join(note.text for note in found.notes if note.kind is kind)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (f"7 {LINE}", ["ListenStream=7", "Accept=yes", "StandardInput=socket", "User=root"]),
        (f"127.0.0.1,::1:7 {LINE}", ["ListenStream=127.0.0.1:7", "ListenStream=[::1]:7"]),
        (f"127.0.0.1:\n7 {LINE}", ["ListenStream=127.0.0.1:7"]),
        (f"echo {LINE}", ["ListenStream=7"]),
        (f"7 {LINE}".replace("tcp", "tcp6"), ["ListenStream=[::]:7", "BindIPv6Only=ipv6-only"]),
        (f"7 {LINE}".replace("tcp", "tcp4,sndbuf=9k"), ["ListenStream=0.0.0.0:7", "SendBuffer=9K"]),
        (f"7 {LINE}".replace("nowait", "nowait.9"), ["TriggerLimitBurst=9"]),
        (f"7 {LINE}".replace("nowait", "wait"), ["Accept=no", "StandardInput=socket"]),
        (f"7 {LINE}".replace("root", "a:b"), ["User=a", "Group=b"]),
        (f"7 {LINE} -n 5% $x", ["ExecStart=/bin/cat -n 5%% $$x"]),
        (f"7 {LINE}".replace(" cat", " dog"), ["ExecStart=@/bin/cat dog"]),
        ("/run/a.sock stream unix nowait root /bin/cat cat", ["ListenStream=/run/a.sock"]),
        ("7 dgram udp wait root /bin/cat cat", ["ListenDatagram=7", "Accept=no"]),
        ("echo stream tcp nowait root internal", ["ExecStart=/usr/bin/cat", "DynamicUser=yes"]),
        ("discard stream tcp nowait root internal", ["StandardOutput=null"]),
    ],
)
def test_inetd(tmp_path: Path, line: str, said: list[str]) -> None:
    """Each field of inetd.conf becomes its directive."""
    (found,) = inetd(tmp_path, f"# comment\n{line}\n")
    assert set(said) <= set(lines(found))


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (f"a/1 {LINE}".replace("tcp", "rpc/tcp"), "Sun RPC"),
        (f"tcpmux/a {LINE}", "tcpmux"),
        (f"7 {LINE}".replace("stream", "raw"), "no type of socket"),
        (f"7 {LINE}".replace("tcp", "udp"), "no protocol of a stream socket"),
        (f"7 {LINE}".replace("nowait", "never"), "neither wait nor nowait"),
        (f"7 {LINE}".replace("/bin/cat", "cat"), "not an absolute path"),
        (f"70000 {LINE}", "not a port"),
        (f"nosuchservice {LINE}", "no service nosuchservice/tcp"),
        (f"localhost:7 {LINE}", "is a name"),
        ("7 stream tcp", "fields"),
        ("time stream tcp nowait root internal", "itself served time"),
        (f"7 {LINE}".replace("nowait", f"nowait.{'9' * 5000}"), "is not a number"),
    ],
)
def test_inetd_refused(tmp_path: Path, line: str, why: str) -> None:
    """What no spec can say is refused, with its line, and the rest is taken."""
    first, second = inetd(tmp_path, f"{line}\n9 {LINE}\n")
    assert why in told(first, Kind.REFUSED)
    assert first.notes[-1].place.endswith("inetd.conf:1")
    assert second.draft is not None


@pytest.mark.parametrize(
    ("attribute", "said"),
    [
        ("instances = 5", ["MaxConnections=5"]),
        ("per_source = 2", ["MaxConnectionsPerSource=2"]),
        ("cps = 10 30", ["PollLimitBurst=10", "PollLimitIntervalSec=1s"]),
        ("only_from = 10.0.0.0 ::1", ["IPAddressDeny=any", "IPAddressAllow=10.0.0.0/8"]),
        ("only_from =", ["IPAddressDeny=any"]),
        ("only_from = 0.0.0.0", ["IPAddressAllow=any"]),
        ("no_access = 10.0.0.{1,2}", ["IPAddressDeny=10.0.0.1/32", "IPAddressDeny=10.0.0.2/32"]),
        ("bind = 127.0.0.1", ["ListenStream=127.0.0.1:7"]),
        ("interface = ::1", ["ListenStream=[::1]:7"]),
        ("flags = IPv4 NODELAY KEEPALIVE", ["ListenStream=0.0.0.0:7", "NoDelay=yes"]),
        ("nice = -5", ["Nice=-5"]),
        ("umask = 77", ["UMask=077"]),
        ("rlimit_as = 8M", ["LimitAS=8M"]),
        ("rlimit_cpu = UNLIMITED", ["LimitCPU=infinity"]),
        ("env = A=b%i", ["Environment=A=b%%i"]),
        ("passenv = A B", ["PassEnvironment=A B"]),
        ("group = adm", ["Group=adm"]),
        ("server_args = -n a", ["ExecStart=/bin/cat -n a"]),
        ("server_args = dog -n\nflags = NAMEINARGS", ["ExecStart=@/bin/cat dog -n"]),
        (
            "redirect = 192.0.2.1 80",
            ["ExecStart=/usr/lib/systemd/systemd-socket-proxyd 192.0.2.1:80"],
        ),
        ("id = other", ["FileDescriptorName=other"]),
    ],
)
def test_xinetd(tmp_path: Path, attribute: str, said: list[str]) -> None:
    """Each attribute of xinetd.conf becomes its directive."""
    assert set(said) <= set(lines(entry(tmp_path, attribute)))


@pytest.mark.parametrize(
    ("attribute", "kind", "what"),
    [
        ("access_times = 8:00-9:00", Kind.DECIDE, "a socket has no hours"),
        ("banner = /etc/issue", Kind.DECIDE, "nothing is written before"),
        ("log_type = FILE /var/log/x", Kind.CHANGED, "the journal"),
        ("only_from = example.org", Kind.DECIDE, "looks no names up"),
        ("flags = IDONLY", Kind.DECIDE, "who it is"),
        ("flags = SENSOR", Kind.REFUSED, "serves nobody"),
        ("type = RPC", Kind.REFUSED, "Sun RPC"),
        ("type = TCPMUX", Kind.REFUSED, "tcpmux"),
        ("socket_type = raw", Kind.REFUSED, "cannot be passed"),
        ("colour = red", Kind.GONE, "knows no such attribute"),
        ("disable = yes", Kind.GONE, "disable = yes"),
        ("instances = many", Kind.REFUSED, "is not a value"),
        (f"cps = {'9' * 5000} 1", Kind.REFUSED, "is not a number"),
    ],
)
def test_xinetd_report(tmp_path: Path, attribute: str, kind: Kind, what: str) -> None:
    """What has no counterpart is told, or refused."""
    assert what in told(entry(tmp_path, attribute), kind)


def test_xinetd_defaults(tmp_path: Path) -> None:
    """Defaults hold, sets add up, and values are taken away."""
    found = entry(tmp_path, "only_from += 10.0.0.5", defaults="instances = 9\nonly_from = 10.1.0.0")
    said = lines(found)
    assert {"MaxConnections=9", "IPAddressAllow=10.1.0.0/16", "IPAddressAllow=10.0.0.5/32"} <= set(
        said
    )
    found = entry(tmp_path, "only_from -= 10.1.0.0", defaults="only_from = 10.1.0.0 10.2.0.0")
    assert "IPAddressAllow=10.1.0.0/16" not in lines(found)
    assert "disabled" in told(entry(tmp_path, defaults="disabled = x"), Kind.GONE)
    assert "others enabled" in told(entry(tmp_path, defaults="enabled = y"), Kind.GONE)


def test_xinetd_includes(tmp_path: Path) -> None:
    """Files and folders are included, without those that xinetd skips; a circle is told."""
    (folder := tmp_path / "xinetd.d").mkdir()
    for name in ("a", "b~", "c.rpmsave"):
        (folder / name).write_text(f"service {name[0]}\n{{\n{ENTRY}}}\n")
    (tmp_path / "one").write_text(f"include {tmp_path}/one\n")
    found = xinetd(
        tmp_path, f"includedir {folder}\ninclude {tmp_path}/one\ninclude {tmp_path}/missing\n"
    )
    assert [one.draft.name for one in found if one.draft] == ["a"]
    refused = told(found[0], Kind.REFUSED)
    assert "includes itself" in refused
    assert "missing: the file cannot be read" in refused
    assert [one.draft.name for one in Taker().words([str(folder)]) if one.draft] == ["a"]


def test_access() -> None:
    """The better match of only_from and no_access decides, as in xinetd."""
    allowed, _ = networks(["10.0.0.0", "10.1.2.0"])
    denied, _ = networks(["10.1.0.0"])
    left = without(allowed, exceptions(allowed, denied))
    inside = {
        word: any(networks([word])[0][0].subnet_of(one) for one in left)  # type: ignore[arg-type]
        for word in ("10.0.0.1", "10.1.1.1", "10.1.2.1", "10.2.0.1")
    }
    assert inside == {"10.0.0.1": True, "10.1.1.1": False, "10.1.2.1": True, "10.2.0.1": True}
