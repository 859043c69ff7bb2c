"""What systemd does not say: booted systemds do what the rules claim, and not what was meant."""

import subprocess
from collections.abc import Mapping

from activator.check.catalogue import targets
from tests.boxes.box import UNITS, Box
from tests.support.check import of_texts

SLEEP = "[Service]\nExecStart=/bin/sleep infinity\n"
LISTEN = "[Socket]\nListenStream=/run/judged.sock\n"
READY = """
import os, socket, time
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
time.sleep(1000)
"""


def told(box: Box, rule: str, texts: Mapping[str, str]) -> None:
    """Check that a rule has something to say of units."""
    assert rule in {one.rule for one in of_texts(texts, box.version)}


def said(box: Box, service: str) -> str:
    """Return what a service says that is started and ends."""
    lines = f"[Service]\nType=oneshot\nStandardOutput=truncate:/run/judged.out\n{service}"
    with box.units({"judged.service": lines}):
        box.systemctl("start", "judged.service")
        return box.read("/run/judged.out").strip()


def judged(box: Box, rule: str, service: str) -> str:
    """Return what a service says of which a rule has something to say."""
    told(box, rule, {"judged.service": f"[Service]\nType=oneshot\n{service}"})
    return said(box, service)


def client(box: Box, address: str) -> subprocess.CompletedProcess[str]:
    """Connect, send nothing, and return what comes."""
    return box.run("socat", "-u", address, "-", check=False)


def test_a_command_line_is_no_shell(box: Box) -> None:
    """The program gets the operator, only the first word is the script, and % is a specifier."""
    echo = "ExecStart=/bin/echo a && /bin/echo b\n"
    assert "a && /bin/echo b" == judged(box, "ACT211", echo)
    assert "hi" not in judged(box, "ACT212", "ExecStart=/bin/sh -c echo hi\n")
    assert "hi" == said(box, "ExecStart=/bin/sh -c 'echo hi'\n")
    assert "100/var/tmpG" == judged(box, "ACT215", "ExecStart=/bin/echo 100%VG\n")
    assert "a # b" == judged(box, "ACT207", "ExecStart=/bin/echo a # b\n")
    # The first word of $(...) is dropped, all else is passed as it is.
    for words, passed in (
        ("$(date) end", "end"),
        ("`date` end", "`date` end"),
        ("~/x", "~/x"),
        ("a; /bin/echo b", "a; /bin/echo b"),
    ):
        assert passed == judged(box, "ACT211", f"ExecStart=/bin/echo {words}\n")
    assert "/etc/pass*" in judged(
        box, "ACT211", "ExecStart=-/bin/ls /etc/pass*\nStandardError=inherit\n"
    )
    assert "/bin/bash" == judged(box, "ACT215", "ExecStart=/usr/bin/printf %s\n")


def test_variables(box: Box) -> None:
    """They are expanded neither in Environment= nor where the program stands."""
    lines = "Environment=BASE=/srv DATA=${BASE}/data\nExecStart=/usr/bin/printenv DATA\n"
    assert "${BASE}/data" == judged(box, "ACT214", lines)
    for words, passed in (
        ("$BASE/x end", "end"),
        ("--dir=$BASE", "--dir=$BASE"),
        ("${BASE:-/opt}", "${BASE:-/opt}"),
    ):
        lines = f"Environment=BASE=/srv\nExecStart=/bin/echo {words}\n"
        assert passed == judged(box, "ACT214", lines)
    for line in ("ExecStart=${APP}", "ExecStart=APP=1 /bin/true"):
        texts = {"judged.service": f"[Service]\nEnvironment=APP=/bin/true\n{line}\n"}
        told(box, "ACT213", texts)
        with box.units(texts):
            box.systemctl("start", "judged.service", check=False)
            box.wait_state("judged.service", "failed")
            assert "203" == box.show("judged.service", "ExecMainStatus")
    lines = "ExecStart=/bin/true\nRuntimeDirectory=$BASE\nRuntimeDirectoryPreserve=yes\n"
    judged(box, "ACT214", lines)
    assert box.exists("/run/$BASE")


def test_comments_are_a_part_of_the_value(box: Box) -> None:
    """Their words are directories, and the name of a user that does not exist."""
    texts = {"judged.service": f"{SLEEP}Type=exec\nRuntimeDirectory=judged # two words\n"}
    told(box, "ACT207", texts)
    with box.units(texts):
        box.systemctl("start", "judged.service")
        assert all(box.exists(f"/run/{name}") for name in ("judged", "#", "two", "words"))
    texts = {"judged.service": f"{SLEEP}User=root # everything\n"}
    told(box, "ACT207", texts)
    with box.units(texts):
        box.systemctl("start", "judged.service", check=False)
        box.wait_state("judged.service", "failed")
        assert "217" == box.show("judged.service", "ExecMainStatus")


def test_who_owns_a_socket(box: Box) -> None:
    """User= is not the file's owner, and a directory that is closed keeps the owner out."""
    texts = {"judged.socket": f"{LISTEN}User=nobody\n", "judged.service": SLEEP}
    told(box, "ACT216", texts)
    with box.units(texts):
        box.systemctl("start", "judged.socket")
        assert "root" == box.run("stat", "--format=%U", "/run/judged.sock").stdout.strip()
    texts = {"judged.socket": f"{LISTEN}SocketGroup=www-data\n", "judged.service": SLEEP}
    told(box, "ACT608", texts)
    with box.units(texts):
        box.systemctl("start", "judged.socket")
        assert "666" == box.run("stat", "--format=%a", "/run/judged.sock").stdout.strip()
    closed = "[Socket]\nListenStream=/run/judged/a.sock\nSocketUser=nobody\nDirectoryMode=0750\n"
    as_nobody = (
        *("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"),
        *("test", "-S", "/run/judged/a.sock"),
    )
    for text, reached in ((closed, False), (closed.replace("0750", "0755"), True)):
        texts = {"judged.socket": text, "judged.service": SLEEP}
        assert reached is not any(one.rule == "ACT217" for one in of_texts(texts, box.version))
        with box.units(texts):
            box.systemctl("start", "judged.socket")
            assert reached is not bool(box.run(*as_nobody, check=False).returncode)
        box.run("rm", "--recursive", "/run/judged")


def test_an_instance_that_is_the_connection(box: Box) -> None:
    """With Accept=yes nothing is left of the instance of the socket."""
    service = "[Service]\nExecStart=-/bin/echo %i\nStandardInput=socket\n"
    texts = {
        "judged@.socket": "[Socket]\nListenStream=/run/judged-%i.sock\nAccept=yes\n",
        "judged@.service": service,
    }
    told(box, "ACT416", texts)
    with box.units(texts):
        box.systemctl("start", "judged@one.socket")
        answer = client(box, "UNIX-CONNECT:/run/judged-one.sock").stdout
        assert answer
        assert "one" != answer.strip()
        box.systemctl("stop", "judged@one.socket")


def test_errors_that_go_to_the_client(box: Box) -> None:
    """Standard error is the connection, too, unless the unit says otherwise."""
    service = "[Service]\nExecStart=-/bin/sh -c 'echo oops >&2'\nStandardInput=socket\n"
    for more, answer in (("", "oops\n"), ("StandardError=journal\n", "")):
        texts = {"judged.socket": f"{LISTEN}Accept=yes\n", "judged@.service": service + more}
        assert bool(answer) is any(one.rule == "ACT417" for one in of_texts(texts, box.version))
        with box.units(texts):
            box.systemctl("start", "judged.socket")
            assert answer == client(box, "UNIX-CONNECT:/run/judged.sock").stdout


def test_commands_that_talk_to_the_client(box: Box) -> None:
    """What ExecStartPre= prints and reads is the client's, unless it has streams of its own."""
    service = "[Service]\nExecStart=-/bin/echo end\nStandardInput=socket\nExecStartPre="
    for command, answer in (
        ("/bin/echo before", "before\nend\n"),
        ("/bin/sh -c 'echo before </dev/null >&2'", "end\n"),
    ):
        text = f"{service}{command}\nStandardError=journal\n"
        texts = {"judged.socket": f"{LISTEN}Accept=yes\n", "judged@.service": text}
        found = any(one.rule == "ACT424" for one in of_texts(texts, box.version))
        assert found is ("before" in answer)
        with box.units(texts):
            box.systemctl("start", "judged.socket")
            assert answer == client(box, "UNIX-CONNECT:/run/judged.sock").stdout


def test_a_socket_that_is_closed_with_its_service(box: Box) -> None:
    """A restart of the service opens the socket anew, and does not without the line."""
    for line in ("PartOf=judged.service\n", "BindsTo=judged.service\n", ""):
        texts = {"judged.socket": f"[Unit]\n{line}{LISTEN}", "judged.service": SLEEP}
        assert bool(line) is any(one.rule == "ACT418" for one in of_texts(texts, box.version))
        with box.units(texts):
            box.systemctl("start", "judged.socket", "judged.service")
            box.wait_active("judged.service")
            before = box.show("judged.socket", "InactiveExitTimestampMonotonic")
            box.systemctl("restart", "judged.service")
            box.wait_active("judged.service")
            after = box.show("judged.socket", "InactiveExitTimestampMonotonic")
            state = box.show("judged.socket", "ActiveState")
            assert bool(line) is (before != after or state != "active")


def test_a_condition_that_the_socket_lacks(box: Box) -> None:
    """The first client makes the socket fail; with the condition it is not even open."""
    condition = "[Unit]\nConditionPathExists=/nowhere\n"
    texts = {"judged.socket": LISTEN, "judged.service": condition + SLEEP}
    told(box, "ACT419", texts)
    with box.units(texts):
        box.systemctl("start", "judged.socket")
        with box.connected("UNIX-CONNECT:/run/judged.sock", 1):
            box.wait_state("judged.socket", "failed")
    with box.units(texts | {"judged.socket": condition + LISTEN}):
        box.systemctl("start", "judged.socket")
        assert "inactive" == box.show("judged.socket", "ActiveState")


def test_a_fifo_that_opens_once(box: Box) -> None:
    """What was given to a user keeps the socket from starting again, unless it is removed."""
    for listen in ("ListenFIFO=/run/judged.fifo", "ListenMessageQueue=/judged"):
        text = f"[Socket]\n{listen}\nSocketUser=nobody\n"
        for more in ("RemoveOnStop=yes\n", ""):
            texts = {"judged.socket": text + more, "judged.service": SLEEP}
            rules = {one.rule for one in of_texts(texts, box.version)}
            with box.units(texts):
                box.systemctl("start", "judged.socket")
                box.systemctl("restart", "judged.socket", check=False)
                state = box.show("judged.socket", "ActiveState")
                assert ("ACT421" in rules) is (state == "failed")
    box.run("rm", "-f", "/run/judged.fifo", "/dev/mqueue/judged")


def test_a_pid_file_that_is_the_socket(box: Box) -> None:
    """What PIDFile= names is removed with the service."""
    texts = {"judged.socket": LISTEN, "judged.service": SLEEP + "PIDFile=/run/judged.sock\n"}
    told(box, "ACT412", texts)
    with box.units(texts):
        box.systemctl("start", "judged.socket", "judged.service")
        box.systemctl("stop", "judged.service")
        assert box.run("test", "-e", "/run/judged.sock", check=False).returncode


def test_a_condition_that_the_socket_of_instances_lacks(box: Box) -> None:
    """The client is dropped without a word, and the socket listens on."""
    texts = {
        "judged.socket": f"{LISTEN}Accept=yes\n",
        "judged@.service": (
            "[Unit]\nConditionPathExists=/nowhere\n"
            "[Service]\nExecStart=echo hello\nStandardOutput=socket\n"
        ),
    }
    told(box, "ACT419", texts)
    with box.units(texts):
        box.systemctl("start", "judged.socket")
        assert "" == client(box, "UNIX-CONNECT:/run/judged.sock").stdout
        assert "active" == box.show("judged.socket", "ActiveState")


def test_a_socket_that_its_service_takes(box: Box) -> None:
    """The file is the service's user's after a start, if it is in the service's directory."""
    inside = "[Socket]\nListenStream=/run/judged/judged.sock\nSocketUser=www-data\n"
    service = SLEEP + "Type=exec\nUser=nobody\nRuntimeDirectory=judged\n"
    service += "RuntimeDirectoryPreserve=yes\n"
    for text, owner in ((inside, "nobody"), (inside.replace("/judged/", "/"), "www-data")):
        texts = {"judged.socket": text, "judged.service": service}
        rules = {one.rule for one in of_texts(texts, box.version)}
        assert ("ACT422" in rules) is (owner == "nobody")
        with box.units(texts):
            box.systemctl("start", "judged.socket", "judged.service")
            path = text.splitlines()[1].partition("=")[2]
            assert owner == box.run("stat", "--format=%U", path).stdout.strip()
            box.systemctl("stop", "judged.socket", "judged.service")
            box.run("rm", "-rf", "/run/judged", path)


def test_the_targets_of_each_manager(box: Box) -> None:
    """Those that the table says one manager lacks are not there, and it knows all that are."""
    for manager, other in (("system", "user"), ("user", "system")):
        command = f"cd /usr/lib/systemd/{manager} 2>/dev/null || cd /lib/systemd/{manager}; ls"
        names = set(box.run("sh", "-c", command).stdout.split())
        shipped = {name for name in names if name.endswith(".target") and "@" not in name}
        assert shipped <= {name for name, whose in targets().items() if whose != other}


def test_names_in_install(box: Box) -> None:
    """An alias of another type fails; a target that does not exist gets a link for nothing."""
    texts = {"judged.socket": f"{LISTEN}[Install]\nAlias=other.service\n", "judged.service": SLEEP}
    told(box, "ACT707", texts)
    with box.units(texts):
        assert box.systemctl("enable", "judged.socket", check=False).returncode
    template = {"judged.service": f"{SLEEP}[Install]\nAlias=other@.service\n"}
    told(box, "ACT707", template)
    with box.units(template):
        assert box.systemctl("enable", "judged.service", check=False).returncode
    texts["judged.socket"] = f"{LISTEN}[Install]\nWantedBy=socket.target\n"
    told(box, "ACT708", texts)
    with box.units(texts):
        box.systemctl("enable", "judged.socket")
        assert box.exists(UNITS / "socket.target.wants/judged.socket")
        assert "not-found" == box.show("socket.target", "LoadState")
        box.systemctl("disable", "judged.socket")


def test_drop_ins(box: Box) -> None:
    """They add, an empty line clears all kinds, and other names than *.conf are not read."""
    listen = "[Socket]\nListenStream=127.0.0.1:7001\nListenDatagram=127.0.0.1:7001\n"
    for name, rule, lines, ports in (
        ("a.conf", "ACT218", "ListenStream=127.0.0.1:7002\n", ["7001", "7001", "7002"]),
        ("a.conf", "ACT219", "ListenDatagram=\nListenDatagram=127.0.0.1:7002\n", ["7002"]),
        ("a", "ACT220", "ListenStream=127.0.0.1:7002\n", ["7001", "7001"]),
    ):
        texts = {"judged.socket": listen, f"judged.socket.d/{name}": f"[Socket]\n{lines}"}
        told(box, rule, texts)
        with box.units(texts | {"judged.service": SLEEP}):
            shown = box.systemctl("show", "--property=Listen", "judged.socket").stdout
            assert ports == sorted(
                line.split()[0].rpartition(":")[2] for line in shown.split("\n")[:-1]
            )
        box.run("rm", "--recursive", "--force", str(UNITS / "judged.socket.d"))


def test_ipv4_that_is_refused(box: Box) -> None:
    """A bare port takes IPv4, and not with BindIPv6Only=ipv6-only."""
    text = "[Socket]\nListenStream=7003\nBindIPv6Only=ipv6-only\n"
    texts = {"judged.socket": text, "judged.service": SLEEP}
    told(box, "ACT307", texts)
    with box.units(texts):
        box.systemctl("start", "judged.socket")
        assert box.run("nc", "-z", "127.0.0.1", "7003", check=False).returncode
        assert not box.run("nc", "-z", "::1", "7003", check=False).returncode


def test_cycles(box: Box) -> None:
    """The same ones are found when all that is wanted at boot is started."""
    early = "[Service]\nType=oneshot\nExecStart=/bin/true\n"
    wanted = "[Install]\nWantedBy=sockets.target\n"
    pair = {"judged.socket": LISTEN + wanted, "judged.service": SLEEP}
    alone = "[Unit]\nDefaultDependencies=no\n"
    for texts, circle in (
        (pair | {"set.service": f"[Unit]\nBefore=judged.socket\n{early}{wanted}"}, True),
        (pair | {"set.service": f"{alone}Before=judged.socket\n{early}{wanted}"}, False),
        (pair | {"judged.socket": f"[Unit]\nAfter=multi-user.target\n{LISTEN}{wanted}"}, True),
        (pair | {"judged.socket": f"[Unit]\nAfter=network-online.target\n{LISTEN}{wanted}"}, False),
        (
            {
                "judged.socket": f"[Unit]\nAfter=set.service\n{LISTEN}{wanted}",
                "judged.service": SLEEP,
                "set.service": f"{alone}After=last.service\n{early}{wanted}",
                "last.service": f"{early}{wanted}",
            },
            True,
        ),
    ):
        assert circle is any(one.rule == "ACT306" for one in of_texts(texts, box.version))
        with box.units(texts):
            enabled = [name for name, text in texts.items() if "[Install]" in text]
            box.systemctl("enable", *enabled)
            asked = ("systemd-analyze", "verify", "--man=no", "default.target")
            done = box.run(*asked, check=False)
            box.systemctl("disable", *enabled)
            assert circle is ("rdering cycle" in done.stderr), (texts, done.stderr)


def test_readiness_that_is_shut_in(box: Box) -> None:
    """Without AF_UNIX, and as another process than the main one, nobody is ready."""
    box.write("/run/ready.py", READY)
    start = "ExecStart=/usr/bin/python3 /run/ready.py\n"
    shell = "ExecStart=/bin/sh -c '{}python3 /run/ready.py; true'\n"
    for lines, rule in (
        (start, ""),
        (f"{start}RestrictAddressFamilies=AF_INET AF_INET6\n", "ACT605"),
        (f"{start}RestrictAddressFamilies=~AF_UNIX\n", "ACT605"),
        (f"{start}RestrictAddressFamilies=AF_UNIX\n", ""),
        (f"{start}SystemCallFilter=~@network-io\n", "ACT605"),
        (shell.format(""), "ACT606"),
        (shell.format("exec "), ""),
        (f"{shell.format('')}NotifyAccess=all\n", ""),
    ):
        # Who cannot be ready need not be waited for.
        limit = "4s" if rule else "2min"
        texts = {"judged.service": f"[Service]\nType=notify\nTimeoutStartSec={limit}\n{lines}"}
        rules = {one.rule for one in of_texts(texts, box.version)} & {"ACT605", "ACT606"}
        assert {rule} - {""} == rules, lines
        with box.units(texts):
            done = box.systemctl("start", "judged.service", check=False)
            assert bool(rule) is bool(done.returncode), (lines, done.stderr)


def test_a_socket_that_its_program_removes(box: Box) -> None:
    """It listens on with nobody who can reach it, until the socket unit is started anew."""
    command = "/usr/bin/activator exec -- gunicorn --bind fd://{fd:judged.socket}"
    unit = f"[Service]\nExecStart={command}\n"
    told(box, "ACT420", {"judged.socket": LISTEN, "judged.service": unit})
    # As gunicorn does that does not see LISTEN_FDS.
    stop = "ExecStopPost=/bin/rm /run/judged.sock\n"
    with box.units({"judged.socket": LISTEN, "judged.service": SLEEP + stop}):
        box.systemctl("start", "judged.socket", "judged.service")
        assert box.exists("/run/judged.sock")
        box.systemctl("stop", "judged.service")
        assert "active" == box.show("judged.socket", "ActiveState")
        assert "No such file" in client(box, "UNIX-CONNECT:/run/judged.sock").stderr
        box.systemctl("start", "judged.socket")
        assert not box.exists("/run/judged.sock")
        box.systemctl("restart", "judged.socket")
        assert box.exists("/run/judged.sock")


def test_a_compiler_that_is_shut_in(box: Box) -> None:
    """Memory to write and to run is refused with the line, and given without it."""
    code = "import mmap; mmap.mmap(-1, 4096, prot=7); print(1)"
    start = f'[Service]\nType=oneshot\nExecStart=/run/node -c "{code}"\n'
    box.run("ln", "-sf", "/usr/bin/python3", "/run/node")
    told(box, "ACT607", {"judged.service": f"{start}MemoryDenyWriteExecute=yes\n"})
    for value, refused in (("yes", True), ("no", False)):
        with box.units({"judged.service": f"{start}MemoryDenyWriteExecute={value}\n"}):
            done = box.systemctl("start", "judged.service", check=False)
            assert refused is bool(done.returncode), done.stderr
    box.run("rm", "/run/node")


def test_no_text(box: Box) -> None:
    """A unit in UTF-16 cannot be started, whatever it says."""
    box.write(UNITS / "judged.service", SLEEP.encode("utf-16"))
    box.systemctl("daemon-reload")
    try:
        assert "loaded" != box.show("judged.service", "LoadState")
    finally:
        box.run("rm", str(UNITS / "judged.service"))
        box.systemctl("daemon-reload")
