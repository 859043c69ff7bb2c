"""Hardening: the table holds together, and a spec's words become the right lines."""

import itertools
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from activator.errors import ActivatorError
from activator.generate import hardening, specfile
from activator.generate.render import Renderer, render
from activator.generate.render.hardening import user
from activator.unitfile import directives, values
from tests.support import hardening_page

PYTHON = "/usr/bin/python3"
# An argument for each word that stands for one.
ARGUMENTS = {
    "ADDRESS": "192.0.2.0/24",
    "CALLS": "@chown",
    "CAPABILITY": "CAP_NET_RAW",
    "DEVICE": "/dev/ttyS0",
    "FAMILY": "AF_NETLINK",
    "GROUP": "dialout",
    "KINDS": "user net",
    "NAME": "other",
    "PATH": "/srv/data",
    "PORTS": "8000-8100",
    "USER": "www-data",
}
KINDS = {
    "shared handler": 'handler = "a:b"',
    "shared handler of a known interpreter": f'handler = "a:b"\npython = "{PYTHON}"',
    "handler for each": 'mode = "per-connection"\nhandler = "a:b"',
    "program": 'exec = "/usr/bin/program"',
    "program for each": 'mode = "per-connection"\nexec = "/usr/bin/program"',
}


def text(body: str = 'handler = "a:b"', needs: tuple[str, ...] = (), more: str = "") -> str:
    """Return the text of a spec; its needs are on line 2."""
    return (
        f'name = "name"\nneeds = {json.dumps(needs)}\n{body}\n{more}\n'
        '[sockets.name]\nListenStream = "127.0.0.1:7777"\n'
    )


def lines(written: str, version: int = 252) -> list[tuple[str, str]]:
    """Return the [Service] lines of a spec's first service."""
    files = render(specfile.loads(written, systemd=version))
    unit = next(content for name, content in files.items() if name.endswith(".service"))
    body = unit.partition("[Service]\n")[2].partition("\n[")[0]
    pairs = (line.partition("=") for line in body.splitlines() if "=" in line)
    return [(name, value) for name, _, value in pairs]


def value(written: str, name: str, version: int = 252) -> list[str]:
    """Return all values of a directive."""
    return [said for other, said in lines(written, version) if other == name]


def sample(need: hardening.Need) -> str:
    """Return a need as a spec would write it."""
    return f"{need.name}:{ARGUMENTS[need.placeholder]}" if need.placeholder else need.form


def companions(need: hardening.Need) -> tuple[str, ...]:
    """Return a need with those that it requires."""
    return (sample(need), *(f"{name}:root" for name in [need.requires] if name))


def every_need() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each kind of service without a need, and two of them with each need."""
    for body in KINDS.values():
        yield body, ()
    for body in (KINDS["shared handler of a known interpreter"], KINDS["program for each"]):
        for need in hardening.needs().values():
            if need.form != "read:PATH":  # nothing hides what lies elsewhere
                yield body, companions(need)
            if need.hidden.add:
                yield body, (f"{need.name}:/home/anna/data",)


def test_directives_exist() -> None:
    """What the table names is documented, and known to the oldest systemd or gated."""
    effects = [
        *(need.effect for need in hardening.needs().values()),
        *(need.hidden for need in hardening.needs().values()),
    ]
    named = {name for effect in effects for part in effect for name in part}
    named |= {
        name for need in hardening.needs().values() for name in (*need.instances, *need.services)
    }
    gates = {row.name: 0 for row in hardening.rows()} | dict.fromkeys(named, 0)
    for name in gates:
        directive = directives.lookup("Service", name)
        assert directive is not None, name
        assert directive.status == "documented", name
        assert directive.known(directives.OLDEST), name


def test_table_holds_together() -> None:
    """Needs name each other and the profiles rightly, and each one does something."""
    forms = hardening.needs()
    names = {need.name for need in forms.values()}
    for profile in hardening.profiles().values():
        assert set(profile.needs) <= set(forms)
    for need in forms.values():
        assert not need.requires or need.requires in names
        shut = any(row.unless == need.form for row in hardening.rows())
        assert shut or any(need.effect) or any(need.hidden) or need.capability, need.form
        assert not need.placeholder or need.placeholder in ARGUMENTS
        assert need.summary[0].islower()
        assert not need.summary.endswith(".")
    assert {row.unless for row in hardening.rows() if row.unless} <= set(forms)
    assert all(row.why[0].islower() or row.why[0] == "/" for row in hardening.rows())


def test_capabilities_are_the_kernel_s() -> None:
    """The table knows every capability that the kernel had when it was written."""
    assert 41 == len(set(hardening.capabilities()))


@pytest.mark.parametrize("version", directives.VERSIONS)
def test_every_line_is_right(version: int) -> None:
    """Whatever a service needs: each line is one that its systemd takes, and none is twice."""
    for body, needs in every_need():
        made = lines(text(body, needs), version)
        assert [] == [pair for pair, count in Counter(made).items() if count > 1]
        once = Counter(name for name, _ in made)
        for name, said in made:
            directive = directives.lookup("Service", name)
            assert directive
            assert values.check(directive, said, version).outcome == "ok", (needs, name, said)
            assert once[name] == 1 or directive.repeat in ("lines", "words"), (needs, name)


@pytest.mark.parametrize("profile", ["strict", "standard"])
@pytest.mark.parametrize("body", KINDS.values(), ids=KINDS)
def test_reasons(profile: str, body: str) -> None:
    """Each line of the hardening has its reason above it with --explain."""
    written = text(body, more=f'hardening = "{profile}"')
    needs = hardening.profiles()[profile].needs
    files = Renderer(explain=True).render(specfile.loads(written))
    unit = next(content for name, content in files.items() if name.endswith(".service"))
    shown = unit.splitlines()
    names = {row.name for row in hardening.rows()}
    unexplained = [
        line
        for above, line in itertools.pairwise(shown)
        if line.partition("=")[0] in names and not above.startswith("# ")
    ]

    assert [] == unexplained
    # These two change nothing for some kinds of services.
    rest = set(needs) - {"exec", "unix"}
    assert all(any(f"{need}: " in line for line in shown) for need in rest)


def test_strict_is_the_default() -> None:
    """A spec that says nothing is closed."""
    assert ["yes"] == value(text(), "DynamicUser")
    assert lines(text()) == lines(text(more='hardening = "strict"'))


def test_none() -> None:
    """Without hardening, systemd's own defaults stay."""
    names = {row.name for row in hardening.rows()}

    assert not names & {name for name, _ in lines(text(more='hardening = "none"'))}


def test_versions() -> None:
    """A newer value is written only for a systemd that knows it."""
    assert ["yes"] == value(text(), "ProtectControlGroups", 254)
    assert ["strict"] == value(text(), "ProtectControlGroups", 257)


def test_order_of_needs() -> None:
    """The order in which needs are written makes no difference."""
    needs = ("mounts", "network", "jit", "write:/home/anna/x", "home:read-only", "syscalls:@aio")

    assert lines(text(needs=needs)) == lines(text(needs=needs[::-1]))


def test_words_join() -> None:
    """Needs that add to the same list make one line of it."""
    needs = ("unix", "network", "family:AF_NETLINK", "io-uring", "resources")

    assert ["AF_UNIX AF_INET AF_INET6 AF_NETLINK"] == value(
        text('exec = "/bin/x"', needs), "RestrictAddressFamilies"
    )
    assert [
        "@system-service",
        "~@privileged @resources memfd_create io_uring_setup",
        "@resources io_uring_setup",
    ] == value(text(needs=needs), "SystemCallFilter")


@pytest.mark.parametrize(
    ("body", "more", "expected"),
    [
        ('handler = "a:b"', "", "AF_UNIX"),
        ('handler = "a:b"', '[service]\nType = "exec"', "none"),
        ('mode = "per-connection"\nhandler = "a:b"', "", "none"),
        ('exec = "/bin/x"', "", "none"),
        ('exec = "/bin/x"', '[service]\nType = "notify"', "AF_UNIX"),
        ('exec = "/bin/x"', "[service]\nWatchdogSec = 5", "AF_UNIX"),
    ],
)
def test_families(body: str, more: str, expected: str) -> None:
    """Only who reports to systemd may open sockets, UNIX ones."""
    assert [expected] == value(text(body, more=more), "RestrictAddressFamilies")


def test_own_directives_win() -> None:
    """What the spec sets is set once, as the spec says, whatever its needs would make of it."""
    own = '[service]\nPrivateNetwork = false\nSystemCallFilter = "@basic-io"\nUMask = "0027"'
    written = text(needs=("network", "jit"), more=own)

    assert ["no"] == value(written, "PrivateNetwork")
    assert ["@basic-io"] == value(written, "SystemCallFilter")
    assert ["0027"] == value(written, "UMask")


def test_own_lists_add_up() -> None:
    """A list that the profile does not have is the need's and the spec's together."""
    written = text(needs=("write:/srv/a",), more='[service]\nReadWritePaths = "/srv/b"')

    assert ["/srv/a", "/srv/b"] == value(written, "ReadWritePaths")


@pytest.mark.parametrize(
    ("need", "message"),
    [
        (
            "netwrok",
            "unknown need 'netwrok'; did you mean 'network'? The needs are cache, capability,",
        ),
        ("Home", "unknown need 'Home'; did you mean 'home'? The needs are"),
        ("zzz", "unknown need 'zzz'; The needs are"),
        ("jit:x", "the need 'jit:x' has too few or too many arguments; write jit"),
        ("write", "the need 'write' has too few or too many arguments; write write:PATH"),
        ("home:x", "has too few or too many arguments; write home:read-only or home"),
        ("write:", "has too few or too many arguments; write write:PATH"),
        ("write:data", "'data' is not an absolute path; write /data"),
        ("write:/srv/../etc", "is not in its plain form"),
        ("write:/srv/", "is not in its plain form"),
        ("write:/", "'/' is more than a need opens; name what lies below it"),
        ("write:/home", "'/home' is hidden as a whole; name what lies below it"),
        ("write:/srv/a:b", "holds a colon"),
        ("write:/srv/a\nb", "line break"),
        ("write:/var/lib/name/x", "nobody makes '/var/lib/name/x' for the service; say 'state'"),
        (
            "read:/etc/hosts",
            "the need 'read:/etc/hosts' opens nothing that is not open already; remove it",
        ),
        ("devices:/srv/x", "'/srv/x' is not a device; name one below /dev"),
        ("user:a b", "'a b' cannot be a user or group"),
        ("state:../x", "'../x' cannot be a directory's name"),
        ("capability:NET_RAW", "no capability 'NET_RAW'; did you mean 'CAP_NET_RAW'?"),
        ("syscalls:@foo", "@foo is not a group of system calls"),
        ("syscalls:~read", "'~read' forbids instead of allowing; remove the ~"),
        ("family:INET", "is not an address family"),
        ("namespaces:disk", "'disk' is unknown"),
        ("network:example.org", "is neither an address nor a network"),
        ("listen:http", "this is not a rule"),
        ("home", "the need 'home' is of no use to a dynamic user; add a user"),
    ],
)
def test_mistakes(need: str, message: str) -> None:
    """A wrong need is told with its place and what to write."""
    with pytest.raises(ActivatorError) as caught:
        specfile.loads(text(needs=(need,)), "x.toml")

    (line,) = caught.value.lines()
    assert line.startswith("x.toml:2: ")
    assert message in line


def test_place_in_a_list() -> None:
    """The place is the line of the need, in a list that has several."""
    written = text().replace("needs = []", 'needs = [\n  "jit",\n  "jti",\n]')

    with pytest.raises(ActivatorError, match=r"^x.toml:4: unknown need 'jti'"):
        specfile.loads(written, "x.toml")


def test_twice() -> None:
    """A need that is given twice is a slip."""
    with pytest.raises(ActivatorError, match="the need 'jit' is given twice; remove one"):
        specfile.loads(text(needs=("jit", "jit")))


def test_wrong_types() -> None:
    """Needs are a list of strings, and hardening is one of three words."""
    with pytest.raises(ActivatorError, match="needs is not a list of strings"):
        specfile.loads(text().replace("needs = []", 'needs = "jit"'))
    with pytest.raises(ActivatorError, match="a need is not a string"):
        specfile.loads(text().replace("needs = []", "needs = [1]"))
    with pytest.raises(ActivatorError, match="hardening = 'tight' is unknown; give strict or"):
        specfile.loads(text(more='hardening = "tight"'))


def test_needs_without_hardening() -> None:
    """With nothing closed there is nothing to open."""
    with pytest.raises(ActivatorError, match=r':2: hardening = "none" leaves nothing for needs'):
        specfile.loads(text(needs=("jit",), more='hardening = "none"'), "x.toml")


@pytest.mark.parametrize("path", ["/run/name/x.sock", "/var/run/name/x.sock"])
def test_socket_in_the_runtime_directory(path: str) -> None:
    """A socket must not lie where the service's end would remove it."""
    written = text(needs=("runtime",)).replace("127.0.0.1:7777", path)

    with pytest.raises(ActivatorError, match=r"x.toml:6: .* would vanish whenever the service"):
        specfile.loads(written, "x.toml")


def test_own_program_is_in_sight() -> None:
    """An interpreter and its modules in somebody's home are shown to the service."""
    body = 'handler = "a:b"\npython = "/home/anna/venv/bin/python"\napp-dir = "/root/app"'

    assert ["tmpfs"] == value(text(body), "ProtectHome")
    assert ["/home/anna/venv /root/app"] == value(text(body), "BindReadOnlyPaths")
    assert [] == value(text('exec = "/usr/bin/x"'), "BindReadOnlyPaths")
    assert ["/home/anna/x"] == value(text('exec = "/home/anna/x -y"'), "BindReadOnlyPaths")


def test_own_program_can_be_run() -> None:
    """A directory to write to is not to run from, unless the program itself is there."""
    needs = ("write:/srv/app",)

    assert ["/tmp /var/tmp /srv/app"] == value(text('exec = "/bin/x"', needs), "NoExecPaths")
    assert ["/tmp /var/tmp"] == value(text('exec = "/srv/app/x"', needs), "NoExecPaths")


def test_paths_are_quoted() -> None:
    """A path with a space and a percent sign stays one literal path."""
    written = text(needs=("write:/srv/50% of it",))

    assert ['"/srv/50%% of it"'] == value(written, "ReadWritePaths")


def test_user_of_several_services() -> None:
    """Services of one spec that share a directory run as one user, with a name that can be one."""
    second = '[sockets.each]\nmode = "per-connection"\nListenStream = 7778'

    assert [] == value(text(needs=("state",)), "User")
    assert ["name"] == value(text(needs=("state",), more=second), "User")
    assert ["www-data"] == value(text(needs=("state", "user:www-data"), more=second), "User")
    assert "fits" == user("fits")
    assert user("a.b") != user("a:b")
    assert len(user("x" * 200)) <= 31


def test_exec_path_of_a_temporary_directory() -> None:
    """What is named to be run leaves the list of what is not."""
    written = text(needs=("exec:/tmp",))

    assert ["/var/tmp"] == value(written, "NoExecPaths")
    assert ["/tmp"] == value(written, "ExecPaths")


def test_page() -> None:
    """The documentation's tables are those of the code."""
    found = hardening_page.PAGE.read_text()

    assert hardening_page.page(found) == found, "run: python -m tests.support.hardening_page"


def test_page_names_every_version() -> None:
    """The page does not promise what no box checks."""
    assert "252, 257 and 262" in Path(hardening_page.PAGE).read_text()


@pytest.mark.parametrize("need", ["user:games", "group:adm", "capability:CAP_KILL"])
def test_users_manager_gives_no_other_rights(need: str) -> None:
    """A need for another user, group or privilege is told."""
    text = f'name = "a"\nexec = "/bin/a"\nneeds = ["{need}"]\n[sockets.a]\nListenStream = 80\n'
    with pytest.raises(ActivatorError, match="a user's manager cannot give the need"):
        render(specfile.loads(text)._replace(user=True))


def test_users_manager_has_its_own_directories() -> None:
    """They are shown where they lie with it, and nothing that it cannot do is asked for."""
    text = 'name = "a"\nexec = "/bin/a"\nneeds = ["state"]\n[sockets.a]\nListenStream = 80\n'
    made = render(specfile.loads(text)._replace(user=True))["a.service"].splitlines()
    assert {"BindPaths=%S/a", "NoExecPaths=/tmp /var/tmp %S/a", "ProtectHome=tmpfs"} <= set(made)
    names = {line.partition("=")[0] for line in made}
    assert not names & {"DynamicUser", "User", "IPAddressDeny", "DevicePolicy", "ProtectProc"}
