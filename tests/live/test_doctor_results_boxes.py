"""Results, exit statuses and stuck states of services, each made real and mended."""

from time import sleep
from typing import NamedTuple

import pytest

from activator.common import tables
from activator.live.doctor import exits
from tests.boxes.box import Box
from tests.support.doctor import (
    FOR_EVER,
    GOOD,
    PATH,
    SOCKET,
    UNITS,
    found,
    ill,
    knock,
    mend,
    replaced,
    serves,
    service,
)

SLEEP = "/bin/sleep inf"
SERVE = "/usr/bin/python3 /root/server.py"


class Fault(NamedTuple):
    """A service that has something wrong.

    Attributes:
        name: The finding.
        text: The service.
        told: What the evidence holds.
        message: What the message holds.
    """

    name: str
    text: str
    told: tuple[str, ...]
    message: str


def fails(lines: str, *told: str, command: str = SLEEP) -> Fault:
    """Return a service that systemd cannot start."""
    return Fault("service-fails", service(command, lines + FOR_EVER), told, "fails at each start")


# What the programs say themselves.
WORDS = {"no luck"}
FAULTS = {
    # Exit statuses of systemd's own, with the line that each is about.
    "200": fails("WorkingDirectory=/nosuch\n", "200/CHDIR", "ill.service:3: WorkingDirectory="),
    "203-interpreter": fails("", "203/EXEC", "ill.service:2: ExecStart=", command="/root/script"),
    "208": fails("StandardInput=file:/nosuch/in\n", "208/STDIN", ":3: StandardInput=file:"),
    "209": fails("StandardOutput=file:/nosuch/out\n", "209/STDOUT", ":3: StandardOutput=file:"),
    "226-root": fails("RootDirectory=/nosuch\n", "226/NAMESPACE", ":3: RootDirectory=/nosuch"),
    "215": fails("CPUAffinity=900\n", "215/CPUAFFINITY", ":3: CPUAffinity=900"),
    "216": fails("Group=nosuchgroup\n", "216/GROUP", ":3: Group=nosuchgroup"),
    "217": fails("User=nosuchuser\n", "217/USER", ":3: User=nosuchuser"),
    "222": fails("StandardError=file:/nosuch/err\n", "222/STDERR", ":3: StandardError="),
    "225": fails("NetworkNamespacePath=/nosuch\n", "225/NETWORK", ":3: NetworkNamespacePath="),
    "226": fails("BindPaths=/usr\nBindPaths=/nosuch\n", "226/NAMESPACE", ":4: BindPaths=/nosuch"),
    "238": fails("StateDirectory=illfile\n", "238/STATE_DIRECTORY", ":3: StateDirectory="),
    "242": fails("NUMAPolicy=bind\nNUMAMask=900\n", "242/NUMA_POLICY", ":4: NUMAMask=900"),
    "243": fails("LoadCredential=a:/nosuch\n", "243/CREDENTIALS", ":3: LoadCredential="),
    "command": Fault(
        "service-fails",
        service(SERVE, "ExecStartPre=/bin/sh -c 'echo no luck >&2; exit 9'\n" + FOR_EVER),
        ("status 9", "no luck", "ExecStartPre= that ended so", ":3: ExecStartPre="),
        "fails at each start",
    ),
    "signal": Fault(
        "service-fails",
        service("/bin/sh -c 'while :; do :; done'", "LimitCPU=1:9\n" + FOR_EVER),
        ("signal 24/XCPU: it used more processor time", ":3: LimitCPU=1:9"),
        "fails at each start",
    ),
    # Results.
    "environment": Fault(
        "not-set-up",
        service(SERVE, "EnvironmentFile=/nosuch\n" + FOR_EVER),
        ("Result=resources", "environment file", ":3: EnvironmentFile=/nosuch"),
        "EnvironmentFile= is missing",
    ),
    "notify": Fault(
        "start-timeout",
        service(SLEEP, "Type=notify\nTimeoutStartSec=300ms\n" + FOR_EVER),
        ("Result=timeout", ":3: Type=notify", "TimeoutStartSec=300ms"),
        "did not say READY=1 in time",
    ),
    "forking": Fault(
        "start-timeout",
        service(SLEEP, "Type=forking\nTimeoutStartSec=300ms\n" + FOR_EVER),
        ("Result=timeout", ":3: Type=forking"),
        "did not go into the background in time",
    ),
    "start-pre": Fault(
        "start-timeout",
        service(SERVE, f"ExecStartPre={SLEEP}\nTimeoutStartSec=300ms\n" + FOR_EVER),
        ("Result=timeout", f":3: ExecStartPre={SLEEP}"),
        "ExecStartPre= does not end",
    ),
    "start-post": Fault(
        "start-timeout",
        service(SERVE, f"ExecStartPost={SLEEP}\nTimeoutStartSec=300ms\n" + FOR_EVER),
        ("Result=timeout", f":3: ExecStartPost={SLEEP}"),
        "ExecStartPost= does not end",
    ),
    "protocol": Fault(
        "not-ready",
        service("/bin/true", "Type=notify\n" + FOR_EVER),
        ("Result=protocol", ":3: Type=notify"),
        "ended before it said READY=1",
    ),
    "pid-file": Fault(
        "start-timeout",
        service(
            "/bin/sh -c 'sleep 1000 &'",
            # Long enough for the shell to go.
            "Type=forking\nPIDFile=/run/nosuch.pid\nTimeoutStartSec=4s\n" + FOR_EVER,
        ),
        ("Type=forking", "PIDFile=/run/nosuch.pid"),
        "wrote no PIDFile= in time",
    ),
    "watchdog": Fault(
        "watchdog-timeout",
        service(SLEEP, "WatchdogSec=300ms\n" + FOR_EVER),
        ("Result=watchdog", ":3: WatchdogSec=300ms"),
        "sent no WATCHDOG=1 in time",
    ),
    "runtime": Fault(
        "runtime-limit",
        service(SLEEP, "RuntimeMaxSec=300ms\n" + FOR_EVER),
        ("Result=timeout", ":3: RuntimeMaxSec=300ms"),
        "RuntimeMaxSec= allows",
    ),
    "clean": Fault(
        "service-ends",
        service("/bin/true", FOR_EVER),
        ("ended with status 0",),
        "ends by itself",
    ),
}


@pytest.mark.parametrize("kind", FAULTS)
def test_a_service_that_does_not_get_up_or_stay(kind: str, box: Box) -> None:
    """What happened is told in words, with the line of the unit, and is mended."""
    fault = FAULTS[kind]
    box.write("/root/script", "#!/nosuch/interpreter\n", 0o755)
    box.write("/var/lib/illfile", "")
    with ill(box, SOCKET, fault.text):
        with box.connected(f"UNIX-CONNECT:{PATH}", 1):
            if "Restart=" in fault.text:
                box.wait_for(lambda: int(box.show("ill.service", "NRestarts")) > 0, "a restart")
            finding = found(box, fault.name, words=set(fault.told) & WORDS)
            evidence = "\n".join(finding["evidence"])
            assert all(text in evidence for text in fault.told), evidence
            assert fault.message in finding["message"]
        mend(box, finding, replaced(box, GOOD))
        serves(box)
    box.run("rm", "-f", "/root/script", "/var/lib/illfile")


def test_every_exit_status(box: Box) -> None:
    """Each status that this systemd knows has its name in the table."""
    rows = box.run("systemd-analyze", "exit-status").stdout.split("\n")[1:]
    known = {row.split()[1]: row.split()[0] for row in rows if row.split()[2:] == ["systemd"]}
    del known["255"]  # what a shell, or systemd for it, says of a signal
    named = {row[0]: row[1] for row in tables.rows(exits.__file__, "exits.tsv")}
    assert known == {status: named.get(status) for status in known}
    assert {"200", "245"} <= set(named)


def test_a_service_that_a_command_keeps_from_being_started(box: Box) -> None:
    """ExecCondition= is a command, and no failure: its result is told all the same."""
    with ill(box, SOCKET, service(SERVE, "ExecCondition=/bin/false\n")):
        box.systemctl("start", "ill.service")
        finding = found(box, "exec-condition")
        assert "Result=exec-condition" in finding["evidence"][0]
        assert any(":3: ExecCondition=/bin/false" in line for line in finding["evidence"])
        mend(box, finding, replaced(box, GOOD))
        serves(box)


class Stuck(NamedTuple):
    """A service that does not get to where it is going.

    Attributes:
        name: The finding.
        text: The service.
        told: What the evidence holds.
        message: What the message holds.
        after: What is called once a client has come.
    """

    name: str
    text: str
    told: tuple[str, ...]
    message: str
    after: tuple[str, ...] = ()


# Fails at its first start.
ONCE = f"[ -e /run/once ] && exec {SERVE}; touch /run/once; exit 1"
OTHER = "[Unit]\nWants=other.service\nAfter=other.service\n"
STUCK = {
    "ready": Stuck(
        "stuck-starting",
        service(SLEEP, "Type=notify\n"),
        ("start, TimeoutStartSec=", ":3: Type=notify", "1 connection waits"),
        "waits for READY=1",
    ),
    "command": Stuck(
        "stuck-starting",
        service(SERVE, f"ExecStartPre={SLEEP}\n"),
        ("it runs /bin/sleep inf [", f":3: ExecStartPre={SLEEP}"),
        "waits for ExecStartPre=",
    ),
    "restart": Stuck(
        "stuck-restarting",
        service(f"/bin/sh -c '{ONCE}'", "Restart=always\nRestartSec=1h\n"),
        (":4: RestartSec=1h", "1 connection waits"),
        "waits 1h for its next start",
    ),
    "frozen": Stuck(
        "service-frozen", GOOD, ("FreezerState=frozen",), "is frozen", ("freeze", "ill.service")
    ),
    "stopped": Stuck(
        "service-frozen",
        GOOD,
        ("is in state T",),
        "was stopped by a signal",
        ("kill", "--signal=STOP", "ill.service"),
    ),
    "reload": Stuck(
        "reload-failed",
        service(SERVE, "ExecReload=/bin/sh -c 'echo no luck >&2; exit 1'\n"),
        ("ReloadResult=exit-code", ":3: ExecReload=/bin/sh", "status=1/FAILURE", "no luck"),
        "goes on with its old settings",
        ("reload", "ill.service"),
    ),
    "reloading": Stuck(
        "stuck-reloading",
        service("/bin/sleep inf", f"ExecReload={SLEEP}\n"),
        (f":3: ExecReload={SLEEP}",),
        "waits for ExecReload=",
        ("reload", "--no-block", "ill.service"),
    ),
    "job": Stuck(
        "start-waits",
        OTHER + service(SERVE),
        ("start other.service is running", "After=other.service"),
        "waits for other.service",
    ),
}


@pytest.mark.parametrize("kind", STUCK)
def test_a_service_that_is_stuck(kind: str, box: Box) -> None:
    """What is waited for is told while a client waits, and the commands end the wait."""
    fault = STUCK[kind]
    other = service(SLEEP, "Type=oneshot\n")
    with (
        box.units({"other.service": other}),
        ill(box, SOCKET, fault.text),
        box.connected(f"UNIX-CONNECT:{PATH}", 1),
    ):
        if fault.after:
            box.wait_active("ill.service")
            box.systemctl(*fault.after, check=False)
        finding = found(box, fault.name, words=set(fault.told) & WORDS)
        evidence = "\n".join(finding["evidence"])
        assert all(text in evidence for text in fault.told), evidence
        assert fault.message in finding["message"]
        mend(box, finding, replaced(box, GOOD))
        serves(box)
    box.run("rm", "-f", "/run/once")


REQUIRES = "[Unit]\nRequires=other.service\nAfter=other.service\n"


@pytest.mark.parametrize("there", [False, True])
def test_a_unit_that_the_service_needs(there: bool, box: Box) -> None:  # noqa: FBT001
    """What the service is not started without is named, whether it fails or is not there."""
    other = {"other.service": service("/bin/sh -c 'echo no luck >&2; exit 4'", "Type=oneshot\n")}
    with box.units(other if there else {}), ill(box, SOCKET, REQUIRES + GOOD):
        knock(box)
        # The client in its queue has the socket try again and again, until the limit is hit.
        box.wait_for(lambda: "failed" == box.show("ill.socket", "ActiveState"), "an end of that")
        finding = found(box, "dependency-fails")
        assert "other.service" in finding["message"]
        evidence = "\n".join(finding["evidence"])
        assert f"{UNITS}/ill.service:2: Requires=other.service" in evidence
        assert there == ("status 4" in evidence)

        def well() -> None:
            box.write(f"{UNITS}/other.service", service("/bin/true", "Type=oneshot\n"))
            box.systemctl("daemon-reload")
            sleep(2)  # TriggerLimitIntervalSec=, which counts over a restart of the socket

        mend(box, finding, well)
        serves(box)
    box.run("rm", "-f", f"{UNITS}/other.service")


SOCKETS = {
    "command": ("socket-command-fails", SOCKET + "ExecStartPre=/bin/false\n", "ExecStartPre="),
    "address": ("address-missing", SOCKET + "ListenStream=192.0.2.1:7990\n", "192.0.2.1"),
    "device": (
        "device-missing",
        SOCKET + "ListenStream=127.0.0.1:7990\nBindToDevice=nosuch0\n",
        "BindToDevice=nosuch0",
    ),
}


@pytest.mark.parametrize("kind", SOCKETS)
def test_a_socket_that_does_not_open(kind: str, box: Box) -> None:
    """What keeps it closed is told, and the commands open it."""
    name, text, told = SOCKETS[kind]
    with ill(box, text, GOOD):
        finding = found(box, name)
        assert any(told in line for line in finding["evidence"])

        def well() -> None:
            box.write(f"{UNITS}/ill.socket", SOCKET)
            box.systemctl("daemon-reload")

        mend(box, finding, well)
        serves(box)


def test_a_socket_that_nobody_started(box: Box) -> None:
    """It is told to whoever asks for it, and started for good if it can be enabled."""
    with ill(box, f"{SOCKET}[Install]\nWantedBy=sockets.target\n", GOOD, start=False):
        finding = found(box, "not-started")
        assert ["systemctl enable --now ill.socket"] == finding["commands"]
        mend(box, finding)
        serves(box)
        box.systemctl("disable", "ill.socket")


# Keeps each connection, and goes on where it may have no more.
HOLDS = """\
import socket, time
listener, held = socket.socket(fileno=3), []
while True:
    try:
        held.append(listener.accept())
    except OSError:
        time.sleep(0.1)
"""


def test_a_service_without_descriptors_to_spare(box: Box) -> None:
    """A server that may open no more takes no client; its limit is named and raised."""
    box.write("/root/holds.py", HOLDS)
    text = service("/usr/bin/python3 /root/holds.py", "LimitNOFILE=16\n")
    with ill(box, SOCKET, text):
        with box.connected(f"UNIX-CONNECT:{PATH}", 12):
            finding = found(box, "descriptors-max")
            assert any("LimitNOFILE=16" in line for line in finding["evidence"])
            mend(box, finding)
        assert "64" == box.show("ill.service", "LimitNOFILE")
    box.run("rm", "/root/holds.py")


def test_a_backend_that_is_never_ready(box: Box) -> None:
    """A proxy waits for the program behind it, and that for its READY=1."""
    text = "[Unit]\nBindsTo=behind.service\nAfter=behind.service\n"
    proxy = text + service("/lib/systemd/systemd-socket-proxyd 127.0.0.1:7993")
    serve = "/usr/bin/socat TCP-LISTEN:7993,bind=127.0.0.1,reuseaddr,fork SYSTEM:'printf served'"
    with box.units({"behind.service": service(serve, "Type=notify\n")}), ill(box, SOCKET, proxy):
        with box.connected(f"UNIX-CONNECT:{PATH}", 1):
            finding = found(box, "stuck-starting")
            assert "behind.service" in finding["message"]

            def well() -> None:
                box.write(f"{UNITS}/behind.service", service(serve))

            mend(box, finding, well)
        serves(box)
        box.systemctl("stop", "behind.service")


def test_a_service_that_did_not_end_in_time(box: Box) -> None:
    """It was killed at its last stop, which is told until it is started again."""
    script = "/bin/sh -c 'trap : TERM; while :; do sleep 1000; done'"
    with ill(box, SOCKET, service(script, "TimeoutStopSec=300ms\n")):
        box.systemctl("start", "ill.service")
        # Before it has its trap, SIGTERM would end it in time.
        pid = box.show("ill.service", "MainPID")
        box.wait_for(lambda: box.run("pgrep", "-P", pid, check=False).stdout, "its trap")
        box.systemctl("stop", "ill.service", check=False)
        finding = found(box, "stop-timeout")
        evidence = "\n".join(finding["evidence"])
        assert "Result=timeout" in evidence
        assert ":3: TimeoutStopSec=300ms" in evidence
        assert "was killed" in finding["message"]
        mend(box, finding, replaced(box, GOOD))
        serves(box)


def test_a_service_that_was_started_too_often(box: Box) -> None:
    """The socket, which failed with it, was opened again; the service is not started even so."""
    text = service("/bin/true", "[Unit]\nStartLimitIntervalSec=1h\nStartLimitBurst=2\n")
    with ill(box, SOCKET, text):
        # A start while it still runs is none.
        starting = ("start", "ill.service")
        box.wait_for(lambda: box.systemctl(*starting, check=False).returncode, "the limit")
        box.wait_for(lambda: "failed" == box.show("ill.socket", "ActiveState"), "both to fail")
        box.systemctl("start", "ill.socket")
        finding = found(box, "start-limit")
        evidence = "\n".join(finding["evidence"])
        assert "ill.service: Result=start-limit-hit" in evidence
        assert ":5: StartLimitBurst=2" in evidence
        mend(box, finding, replaced(box, GOOD))
        serves(box)
