"""Pairs of units around what starts with, after or instead of what: for tests.support.pairs."""

from tests.support.pair import POST, TAKES, WAIT, Pair, life, say, serve

_UNMET = "[Unit]\nConditionPathExists=/run/pair/not-there"
_WRONG = "[Unit]\nAssertPathExists=/run/pair/not-there"
_TRIGGERS = f"TriggerLimitBurst=3\nTriggerLimitIntervalSec=1min\nExecStopPost={say('closed')}"
_CONDITIONS = [
    Pair("met", "", "[Unit]\nConditionPathExists=/run/pair\nConditionPathExists=|!/run/pair\n"
         "ConditionGroup=|root\nConditionHost=!nowhere\nAssertPathIsDirectory=/run/%%p/..\n"
         "AssertPathIsDirectory=\nConditionFirstBoot=no"),
    Pair("unmet", _TRIGGERS, f"ExecStart={say('start')}\n{_UNMET}", lines=1),
    Pair("asserted", _TRIGGERS, f"ExecStart={say('start')}\n{_WRONG}", lines=1),
    Pair("each-unmet", "Accept=yes", f"ExecStart={say('start')}\n{_UNMET}"),
    Pair("each-asserted", "Accept=yes", f"ExecStart={say('start')}\n{_WRONG}"),
    Pair("unmet-socket", "", more={
        "unmet-other.socket": "[Socket]\nListenDatagram=/run/pair/unmet-other.sock\n"
        f"Service=unmet-socket.service\n{_UNMET}"}),
    Pair("needs-unmet", "", "[Unit]\nRequires=unmet-back.service\nAfter=unmet-back.service",
         more={"unmet-back.service": f"[Service]\nExecStart={say('never')}\n{_UNMET}"}),
    Pair("binds-unmet", _TRIGGERS, f"ExecStart={say('never')}\n[Unit]\n"
         "BindsTo=unbound-back.service\nAfter=unbound-back.service", lines=1,
         more={"unbound-back.service": f"[Service]\nExecStart={say('never')}\n{_UNMET}"}),
    Pair("needs-asserted", _TRIGGERS, f"ExecStart={say('never')}\n[Unit]\n"
         "Requires=asserted-back.service\nAfter=asserted-back.service", lines=1,
         more={"asserted-back.service": f"[Service]\nExecStart={say('never')}\n{_WRONG}"}),
]  # fmt: skip
# A child that goes on for a while, says so, and ends.
_SPAWN = (
    "os.fork() or (time.sleep(2),"
    " os.write(os.open('LOG', 1089), b'child' + bytes([10])), sys.exit(7))"
)
_TELLS = (
    "echo $MONITOR_UNIT $MONITOR_SERVICE_RESULT $MONITOR_EXIT_CODE $MONITOR_EXIT_STATUS "
    '$(test -n "$MONITOR_INVOCATION_ID" && echo invoked)'
)
_FOLLOWED = "[Unit]\nOnFailure={name}-bad.service\nOnSuccess={name}-good.service"


# Waits until another service has been started for the second time.
_TWICE = (
    "up=lambda: os.path.exists('LOG') and open('LOG').read().count('up') > 1;"
    " [time.sleep(0.02) for _ in iter(up, True)]"
)


def _followed(
    name: str, *lines: str, socket: str = "", count: int = 1, unit: str = "", since: int = 0
) -> Pair:
    """Return a pair that another service follows in good and in bad."""
    more = {
        f"{name}-{word}.service": f"[Service]\nType=oneshot\n"
        f"ExecStart=/bin/sh -c '{_TELLS} {word} | sed s/@.*ice/@/ >>LOG'\n"
        for word in ("bad", "good")
    }
    service = "\n".join([*lines, _FOLLOWED.format(name=name), unit])
    return Pair(name, socket, service, lines=count, more=more, since=since)


_RELATIONS = [
    _followed("followed-well", f"ExecStart={serve('0')}"),
    _followed("followed-badly", f"ExecStart={serve('sys.exit(3)')}"),
    _followed("followed-killed", f"ExecStart={serve('os.kill(os.getpid(),9)')}"),
    _followed("followed-late", f"ExecStart={serve(WAIT)}", f"RuntimeMaxSec={TAKES}"),
    _followed("followed-restarts", f"ExecStart={say('run')}", "RestartSec=2s",
              "Restart=always", unit="StartLimitBurst=2", count=5, since=254),
    _followed("followed-retries", "ExecStart=/bin/sh -c 'echo run >>LOG; "
              f"mkdir /run/pair/again && exit 3; exec {serve('0')}'", "RestartSec=2s",
              "Restart=on-failure", count=4, since=254),
    _followed("followed-skipped", f"ExecStart={say('run')}", "ExecCondition=/bin/false",
              socket="TriggerLimitBurst=1\nTriggerLimitIntervalSec=1min"),
    _followed("followed-each", f"ExecStart={say('run')}", "ExecStopPost=/bin/false",
              socket="Accept=yes", count=2),
    Pair("followed-socket", f"ListenStream=/run/pair/%p.sock\n{_TRIGGERS}\n[Unit]\n"
         "OnFailure=socket-bad.service",
         f"ExecStart={say('start')}\n[Unit]\nStartLimitBurst=9", lines=5,
         more={"socket-bad.service": f"[Service]\nExecStart={say('bad $MONITOR_UNIT')}\n"}),
    Pair("upholds", "", f"ExecStart={serve(_TWICE)}\n{POST}\n[Unit]\n"
         "Upholds=upheld.service\nAfter=upheld.service", lines=3,
         more={"upheld.service": """\
             [Unit]
             StopWhenUnneeded=yes
             [Service]
             ExecStart=/bin/sh -c 'echo up >>LOG; test $(grep -c up LOG) = 1 || sleep 1000'
             """}),
]  # fmt: skip
_GROUPS = [
    life("group", f"{_SPAWN}; sys.exit(3)", "ExitType=cgroup",
         f"ExecStop={say('stop')}", count=2),
    life("group-well", f"{_SPAWN}", "ExitType=cgroup", f"ExecStop={say('stop')}", count=3),
    life("group-notify", f"{_SPAWN}; sys.exit(3)", "ExitType=cgroup", "Type=notify", count=2),
    life("group-late", f"os.fork() or {WAIT}", "ExitType=cgroup", f"RuntimeMaxSec={TAKES}"),
    life("group-alone", "sys.exit(4)", "ExitType=cgroup", f"ExecStop={say('stop')}"),
    life("group-restart", "os.fork() or sys.exit(0)", "ExitType=main", "Restart=on-abort"),
]  # fmt: skip


def _bound(
    name: str, unit: str, other: str, *, service: str = "0", also: str = "", lines: int = 1
) -> Pair:
    """Return a pair whose socket has to do with another service.

    Args:
        name: The name.
        unit: What its [Unit] says of it.
        other: That service.
        service: What its own service does once it has its client.
        also: More of its own service.
        lines: How many lines there are before all is stopped.
    """
    socket = f"ListenStream=/run/pair/%p.sock\nExecStopPost={say('closed')}"
    more = {f"{name}-back.service": f"[Service]\n{other}\n"}
    own = f"ExecStart={serve(service)}\n{also}"
    return Pair(name, f"{socket}\n[Unit]\n{unit}", own, lines=lines, more=more)


_STAYS = f"Type=oneshot\nRemainAfterExit=yes\nExecStart={say('back')}"
# Goes on once the other service has been at _GO, and then says so.
_GO = "open('LOG.go','w').close()"
_GOES = "until test -e LOG.go; do sleep 0.02; done; sleep 0.1; echo back >>LOG"
_ENDS = f"ExecStart=/bin/sh -c '{_GOES}'"
_BONDS = [
    _bound("socket-requires", "Requires=%p-back.service", _STAYS),
    _bound("socket-wants", "Wants=%p-back.service", _STAYS),
    _bound("socket-binds", "BindsTo=%p-back.service", _ENDS, service=_GO, lines=2),
    _bound("socket-part", "PartOf=%p-back.service", _ENDS, service=f"{_GO}; time.sleep(2)",
           also=f"{POST}\n[Unit]\nWants=%p-back.service", lines=2),
    _bound("socket-conflicts", "Conflicts=%p-back.service", "ExecStart=/bin/sleep 1000",
           service=WAIT, also="[Unit]\nWants=%p-back.service"),
    _bound("socket-conflicted", "", "ExecStart=/bin/sleep 1000\n[Unit]\n"
           "Conflicts=socket-conflicted.socket", service=WAIT,
           also="[Unit]\nWants=%p-back.service"),
    _bound("socket-keeps", "Wants=%p-back.service",
           f"ExecStart=/bin/sh -c '{_GOES}; sleep 1000'\n[Unit]\nStopWhenUnneeded=yes",
           service=_GO, also="[Unit]\nWants=%p-back.service"),
]  # fmt: skip
_SLOWLY = "ExecStart=/bin/sleep 1000\nExecStopPost=/bin/sh -c 'sleep 0.2; echo {} >>LOG'\n"
_ENDINGS = [
    Pair("ends", f"ExecStopPre={say('closes')}\nExecStopPost={say('closed')}",
         f"ExecStart={serve(WAIT)}\nExecStop={say('stop')}\n{POST}\n[Unit]\n"
         "Wants=ends-1.service ends-2.service ends-3.service\nAfter=ends-1.service\n"
         "Before=ends-2.service", more={
             "ends-1.service": f"[Service]\n{_SLOWLY.format(1)}[Unit]\nAfter=ends-3.service\n",
             "ends-2.service": f"[Service]\n{_SLOWLY.format(2)}",
             "ends-3.service": f"[Service]\n{_SLOWLY.format(3)}"}),
]  # fmt: skip
STARTS = [*_CONDITIONS, *_RELATIONS, *_GROUPS, *_BONDS, *_ENDINGS]
