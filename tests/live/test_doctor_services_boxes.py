"""Services that fail, are skipped or do not end, and proxies that lead nowhere, made real."""

import json
from time import sleep

import pytest

from tests.boxes.box import Box
from tests.support.doctor import (
    ACCEPT,
    FOR_EVER,
    GOOD,
    PATH,
    SOCKET,
    UNITS,
    doctor,
    found,
    ill,
    knock,
    mend,
    replaced,
    serves,
    service,
)

# What a service has wrong → how its end is told, and what its cure names.
FAILURES = {
    "module": (
        "/usr/bin/python3 -m nosuchmodule",
        "",
        ("status 1", "No module named nosuchmodule"),
        "have the module where",
    ),
    "program": ("/usr/bin/nosuchprogram", "", ("203/EXEC", "/usr/bin/nosuchprogram"), "ExecStart="),
    "directory": (
        "/bin/sleep inf",
        "ProtectSystem=strict\nReadWritePaths=/nosuchplace\n",
        ("226/NAMESPACE", "nosuchplace"),
        "make the paths",
    ),
    "folder": ("/bin/sleep inf", "WorkingDirectory=/nosuchplace\n", ("200/CHDIR",), "make that"),
    "signal": (
        "/usr/bin/python3 -c 'import os; os.kill(os.getpid(), 5)'",
        "",
        ("signal 5/TRAP",),
        "MemoryDenyWriteExecute=no",
    ),
    "abort": ("/bin/sh -c 'kill -ABRT $$$$'", "", ("signal 6/ABRT",), "last words"),
    "forbidden": (
        "/usr/bin/python3 -c 'import socket; socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)'",
        "RestrictAddressFamilies=AF_UNIX\n",
        ("status 1", "Address family not supported"),
        "systemd.exec(5)",
    ),
}


@pytest.mark.parametrize("kind", FAILURES)
def test_a_service_that_fails_at_each_start(kind: str, box: Box) -> None:
    """Restarts for ever are found, with how it ends, its last words and the client that waits."""
    command, lines, told, cure = FAILURES[kind]
    with ill(box, SOCKET, service(command, lines + FOR_EVER)):
        with box.connected(f"UNIX-CONNECT:{PATH}", 1):
            box.wait_for(lambda: int(box.show("ill.service", "NRestarts")) > 3, "restarts")
            finding = found(box, "service-fails", words=told[1:])
            evidence = "\n".join(finding["evidence"])
            assert all(text in evidence for text in told), evidence
            assert f"{PATH}: 1 connection waits" in evidence
            assert "fails at each start" in finding["message"]
            assert cure in finding["commands"][0]
            mend(box, finding, replaced(box, GOOD))
        assert "served" == box.run("socat", "-u", f"UNIX-CONNECT:{PATH}", "-").stdout


def test_a_service_that_has_failed(box: Box) -> None:
    """One failure is told too, while the socket waits for the next client."""
    with ill(box, SOCKET, service("/bin/sh -c 'read x </dev/null; exit 3'")):
        box.systemctl("start", "ill.service")
        box.wait_state("ill.service", "failed")
        finding = found(box, "service-fails")
        assert "status 3" in finding["evidence"][0]
        mend(box, finding, replaced(box, GOOD))
        assert "served" == box.run("socat", "-u", f"UNIX-CONNECT:{PATH}", "-").stdout
        assert [] == doctor(box, "ill.socket")


def test_a_service_that_is_skipped(box: Box) -> None:
    """The condition is named, with its place among those that hold."""
    text = f"[Unit]\nConditionPathExists=/etc/passwd\nConditionPathExists=/run/nosuch\n{GOOD}"
    with ill(box, SOCKET, text):
        knock(box)
        finding = found(box, "condition-unmet")
        assert "ConditionPathExists=/run/nosuch" in finding["evidence"]
        assert not any("passwd" in line for line in finding["evidence"])
        limit = found(box, "trigger-limit-hit")
        assert any("ConditionPathExists=/run/nosuch" in line for line in limit["evidence"])
        assert not any("find out why" in line for line in limit["commands"])

        def well() -> None:
            box.write("/run/nosuch", "")
            sleep(2)  # TriggerLimitIntervalSec=, which counts over a restart of the socket

        mend(box, limit, well)
        assert "served" == box.run("socat", "-u", f"UNIX-CONNECT:{PATH}", "-").stdout
        box.run("rm", "/run/nosuch")


def test_a_service_that_ends_after_each_client(box: Box) -> None:
    """A service that ends with status 0 is not told to have failed, and may do so from then on."""
    script = "import socket\\nsocket.socket(fileno=3).accept()[0].sendall(b'served')"
    text = service(
        f'/usr/bin/python3 -c "exec(\\"{script}\\")"'.replace("\\n", "\\\\n"),
        "[Unit]\nStartLimitIntervalSec=1h\n",  # however long six starts take
    )
    with ill(box, SOCKET, text):
        for _ in range(6):
            box.run("socat", "-u", f"UNIX-CONNECT:{PATH}", "-", check=False)
        finding = found(box, "service-start-limit-hit")
        assert any("ended with status 0" in line for line in finding["evidence"])
        assert "failed" not in finding["message"]
        assert any("Type=forking" in line for line in finding["commands"])
        mend(box, finding)
        for _ in range(6):
            assert "served" == box.run("socat", "-u", f"UNIX-CONNECT:{PATH}", "-").stdout


def test_a_service_that_does_not_stop(box: Box) -> None:
    """A stop that takes long is told while a client waits for its end."""
    stubborn = (
        "/usr/bin/python3 -c 'import signal, time; signal.signal(15, signal.SIG_IGN);"
        " time.sleep(1000)'"
    )
    with ill(box, SOCKET, service(stubborn, "TimeoutStopSec=infinity\n")):
        knock(box)
        box.wait_active("ill.service")
        # Python has not got to its line yet when systemd calls the service active.
        status = f"/proc/{box.show('ill.service', 'MainPID')}/status"
        box.wait_for(
            lambda: bool(int(box.run("grep", "SigIgn", status).stdout.split()[1], 16) & 1 << 14),
            "the signal to be ignored",
        )
        box.systemctl("stop", "--no-block", "ill.service")
        box.wait_state("ill.service", "deactivating")
        with box.connected(f"UNIX-CONNECT:{PATH}", 1):
            finding = found(box, "stuck-stopping")
            assert any("python3" in line for line in finding["evidence"])
            assert finding["commands"][0].startswith("# this ends")
            replaced(box, GOOD)()
            mend(box, finding)
        serves(box)


def test_a_proxy_that_leads_elsewhere(box: Box) -> None:
    """The program behind a proxy listens on another port: both are named."""
    proxyd = "/lib/systemd/systemd-socket-proxyd"
    text = "[Unit]\nBindsTo=behind.service\nAfter=behind.service\nJoinsNamespaceOf=behind.service\n"
    proxy = text + service(f"{proxyd} 127.0.0.1:7993", "PrivateNetwork=yes\n")
    behind = "/usr/bin/socat TCP-LISTEN:{},bind=127.0.0.1,reuseaddr,fork SYSTEM:'printf served'"
    with box.units({"behind.service": service(behind.format(7994), "PrivateNetwork=yes\n")}):
        with ill(box, SOCKET, proxy):
            knock(box)
            finding = found(box, "backend-missing")
            assert "nobody listens at 127.0.0.1:7993" in finding["message"]
            assert any("socat" in line and ":7994" in line for line in finding["evidence"])

            (row,) = json.loads(
                box.run("activator", "status", "ill.socket", "--format=json").stdout
            )
            assert "127.0.0.1:7993" == row["backend"]
            assert ["behind.service"] == [unit["name"] for unit in row["backends"]]
            assert "→ behind.service: active" in box.run("activator", "status").stdout

            def lead() -> None:
                box.write(
                    f"{UNITS}/behind.service", service(behind.format(7993), "PrivateNetwork=yes\n")
                )

            mend(box, finding, lead)
            serves(box)
        box.systemctl("stop", "behind.service")


def test_a_program_behind_a_proxy_that_fails(box: Box) -> None:
    """The service that fails is the one behind the proxy, and it is named."""
    text = "[Unit]\nBindsTo=behind.service\nAfter=behind.service\n"
    proxy = text + service("/lib/systemd/systemd-socket-proxyd 127.0.0.1:7993")
    failing = service("/bin/sh -c 'echo no luck >&2; exit 7'", FOR_EVER)
    with box.units({"behind.service": failing}), ill(box, SOCKET, proxy):
        with box.connected(f"UNIX-CONNECT:{PATH}", 1):
            finding = found(box, "service-fails", words=["no luck"])
        assert finding["message"].startswith("behind.service")
        box.systemctl("stop", "ill.socket", "ill.service", "behind.service")


def test_a_proxy_that_is_started_too_often(box: Box) -> None:
    """The limit that closes its socket is told with what makes the program behind it fail."""
    text = "[Unit]\nBindsTo=behind.service\nAfter=behind.service\nStartLimitBurst=0\n"
    proxy = text + service("/lib/systemd/systemd-socket-proxyd 127.0.0.1:7993")
    failing = service("/bin/sh -c 'echo no luck >&2; exit 7'")
    limits = "TriggerLimitBurst=2\nTriggerLimitIntervalSec=1h\n"
    with box.units({"behind.service": failing}), ill(box, SOCKET + limits, proxy):

        def closed() -> bool:
            """Come as a client, of whom one run of the proxy may serve several."""
            knock(box)
            return "failed" == box.show("ill.socket", "ActiveState")

        box.wait_for(closed, "the limit")
        finding = found(box, "trigger-limit-hit", words=["no luck"])
        assert any("behind.service" in line and "status 7" in line for line in finding["evidence"])
        assert any("behind.service" in line for line in finding["commands"])
        assert found(box, "service-fails")["message"].startswith("behind.service")
        box.systemctl("stop", "behind.service")


def test_instances_that_all_fail(box: Box) -> None:
    """Each client gets an instance that fails and is forgotten: the journal knows them."""
    text = "[Unit]\nCollectMode=inactive-or-failed\n" + service(
        "/bin/sh -c 'echo no luck >&2; exit 7'", "StandardInput=socket\nStandardError=journal\n"
    )
    with ill(box, SOCKET + ACCEPT, text):
        for _ in range(3):
            knock(box)
        finding = found(box, "instances-fail", words=["no luck"])
        assert "status 7" in "\n".join(finding["evidence"])

        def good() -> None:
            box.write(
                f"{UNITS}/ill@.service", service("/bin/echo served", "StandardInput=socket\n")
            )

        mend(box, finding, good)
        assert "served\n" == box.run("socat", "-u", f"UNIX-CONNECT:{PATH}", "-").stdout
        box.wait_for(lambda: not doctor(box, "ill.socket"), "one that is well")


def test_a_first_drop_in_that_was_not_read(box: Box) -> None:
    """What is on disk counts: systemd 252 says nothing of a unit's first drop-in."""
    with ill(box, SOCKET, GOOD):
        box.write(f"{UNITS}/ill.service.d/first.conf", "[Service]\nEnvironment=A=1\n")
        finding = found(box, "not-reloaded")
        assert any("first.conf" in line for line in finding["evidence"])
        mend(box, finding)
        assert "A=1" == box.show("ill.service", "Environment")
        assert [] == doctor(box, "ill.socket")
        box.write(f"{UNITS}/ill.service.d/first.conf", "[Service]\nEnvironment=A=2\n")
        mend(box, found(box, "not-reloaded"))
        assert [] == doctor(box, "ill.socket")


def test_all_that_is_wrong_at_once(box: Box) -> None:
    """A changed file does not hide who has the address, nor does its owner have to go for it."""
    text = "[Socket]\nListenStream=127.0.0.1:7995\n"
    with box.units({"well.socket": text, "well.service": service("/bin/sleep inf")}):
        box.systemctl("start", "well.socket", "well.service")
        with ill(box, text, GOOD):
            box.write(f"{UNITS}/ill.socket", text.replace("7995", "7996"))
            names = [finding["name"] for finding in doctor(box, "ill.socket")]
            assert ["not-reloaded", "address-in-use"] == names
            finding = found(box, "address-in-use")
            stops = [line for line in finding["commands"] if "stop" in line]
            assert stops
            assert all(line.startswith("# if the address is still in use") for line in stops)
            mend(box, finding)
            assert "active" == box.show("ill.socket", "ActiveState")
            assert "active" == box.show("well.service", "ActiveState")
            assert [] == doctor(box, "ill.socket")


def test_a_file_that_goes_with_its_directory(box: Box) -> None:
    """The directory of the service is the cause, and stays after the mend."""
    directory = "/run/illdir"
    text = service("/bin/sleep inf", "RuntimeDirectory=illdir\n")
    with ill(box, SOCKET.replace(PATH, f"{directory}/s.sock"), text):
        box.systemctl("start", "ill.service")
        box.systemctl("stop", "ill.service")
        box.wait_for(lambda: not box.exists(directory), "the directory to go")
        finding = found(box, "file-gone")
        assert f"{directory}: no such directory" == finding["evidence"][0]
        assert any("RuntimeDirectory=illdir" in line for line in finding["evidence"])
        mend(box, finding)
        box.systemctl("start", "ill.service")
        box.systemctl("stop", "ill.service")
        assert box.exists(f"{directory}/s.sock")
        assert [] == doctor(box, "ill.socket")
        box.run("rm", "-r", directory)


def test_a_file_that_nobody_is_known_to_remove(box: Box) -> None:
    """Where the cause is not seen, none is told."""
    with ill(box, SOCKET, GOOD):
        box.run("rm", PATH)
        finding = found(box, "file-gone")
        assert [f"{PATH}: no such file"] == finding["evidence"]
        assert finding["commands"][0].startswith("# find out who removes it")


def test_a_file_that_gunicorn_removes(box: Box) -> None:
    """The server that is known for it is named, and so is Python's own from 3.13 on."""
    box.write("/root/gunicorn", "#!/bin/sh\nexec sleep 1000\n", 0o755)
    with ill(box, SOCKET, service("/root/gunicorn --bind unix:/run/ill.sock app")):
        box.run("rm", PATH)
        finding = found(box, "file-gone")
        assert any("gunicorn" in line for line in finding["evidence"])
        assert "activator exec" in finding["commands"][0]
    box.run("rm", "/root/gunicorn")
    server = "import asyncio, signal\nsignal.pause()\n"
    with ill(box, SOCKET, service("/usr/bin/python3 /root/aio.py")):
        box.write("/root/aio.py", server)
        box.run("rm", PATH)
        finding = found(box, "file-gone")
        new = box.run("python3", "-c", "import sys; print(sys.version_info >= (3, 13))").stdout
        told = any("asyncio of Python" in line for line in finding["evidence"])
        assert ("True" in new) == told
        box.run("rm", "/root/aio.py")


def test_a_file_that_was_made_anew(box: Box) -> None:
    """A program that binds the path again takes the clients away from the socket."""
    script = (
        "import os, socket, signal; os.unlink(\\'/run/ill.sock\\'); s = socket.socket(1);"
        " s.bind(\\'/run/ill.sock\\'); s.listen(); signal.pause()"
    ).replace("\\'", '"')
    with ill(box, SOCKET, service(f"/usr/bin/python3 -c '{script}'")):
        knock(box)
        # Between the old file and its own there is none.
        box.wait_for(lambda: 2 == box.run("ss", "-Hlx").stdout.count(PATH), "its own socket")
        finding = found(box, "file-gone")
        assert "made anew" in finding["message"]
        assert any("by itself" in line for line in finding["evidence"])
        mend(box, finding, replaced(box, GOOD))
        assert "served" == box.run("socat", "-u", f"UNIX-CONNECT:{PATH}", "-").stdout


def test_a_path_with_escapes(box: Box) -> None:
    """What systemd escapes where it prints is the file's own name again."""
    path = r"/run/ill\b\x20c.sock"
    with ill(box, f"[Socket]\nListenStream={path}\n", GOOD):
        assert [] == doctor(box, "ill.socket")
        assert box.exists(path)
        box.systemctl("stop", "ill.socket")
        box.run("rm", path)


def test_words_of_others_reach_no_terminal(box: Box) -> None:
    """Escape sequences are shown, and lines end where systemd ends them."""
    code = (
        'import os, socket, time; s = socket.socket(1, 2); s.connect(os.environ["NOTIFY_SOCKET"]);'
        ' s.send("READY=1\\\\nSTATUS=a\\\\x1b[31mb\\\\u2028MainPID=1".encode()); time.sleep(1000)'
    )
    text = service(f"/usr/bin/python3 -c '{code}'", "Type=notify\nNotifyAccess=all\n")
    with ill(box, SOCKET, text):
        box.systemctl("start", "ill.service")
        shown = box.run("activator", "status", "ill.socket").stdout
        assert r"a\x1b[31mb\u2028MainPID=1" in shown
        assert "\x1b" not in shown
        (row,) = json.loads(box.run("activator", "status", "ill.socket", "--format=json").stdout)
        assert "a\x1b[31mb\u2028MainPID=1" == row["services"][0]["status"]
        assert row["services"][0]["pid"] > 1
