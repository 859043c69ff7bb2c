"""Pairs of units around the commands beside the main one: what each of them is given."""

from tests.support.pair import WITNESS, Pair, serve

_CONTROL = ("ExecCondition", "ExecStartPre", "ExecStartPost", "ExecStop", "ExecStopPost")


def _tell(prefixes: str = "") -> str:
    """Return a command that appends all that it sees to the log."""
    return f"{prefixes}/usr/bin/python3 {WITNESS} tell LOG"


def _told(name: str, socket: str, *lines: str, main: str = serve("0"), prefixes: str = "") -> Pair:
    """Return a pair whose every command tells what it sees, in its order."""
    control = [f"{each}={_tell(prefixes)} {each}" for each in _CONTROL]
    return Pair(name, socket, "\n".join([f"ExecStart={main}", *control, *lines]), lines=5,
                files={f"/run/pair/{name}.log": ""})  # fmt: skip


_IN = serve("0").replace("fileno=3", "fileno=0")
_ONCE = "/bin/sh -c 'exec <&- >&- 2>&-; sleep 0.2'"
_SEEN = [
    _told("sees", "FileDescriptorName=mine", "User=nobody", "StandardOutput=append:LOG",
          "RuntimeDirectory=pair-sees", "Environment=A=b", "NotifyAccess=all",
          "FileDescriptorStoreMax=2", "TimeoutStartSec=20s", prefixes="+"),
    _told("sees-each", "Accept=yes", main="/bin/sh -c 'exec 3<&-; sleep 0.2'"),
    _told("sees-input", "", "StandardInput=socket", main=_IN),
    _told("sees-input-each", "Accept=yes", "StandardInput=socket", main=_ONCE),
    _told("sees-input-null", "Accept=yes", "StandardInput=socket", "StandardOutput=null",
          main=_ONCE),
    _told("sees-output-each", "Accept=yes", "StandardOutput=socket", main=_ONCE),
    _told("sees-opened", "", "StandardInput=data", "StandardInputText=x", "NonBlocking=yes",
          "WatchdogSec=20s"),
    _told("sees-pid-file", "", "PIDFile=/run/pair/sees.pid",
          "ExecStartPost=/bin/sh -c 'sleep 1 & echo $! >$PIDFILE'"),
]  # fmt: skip
_IDS = "/bin/sh -c 'id -un; id -gn; id -Gn; echo $HOME $USER $0'"
_PREFIXES = [
    Pair("prefixes-shots", "", f"""
         Type=oneshot
         User=daemon
         Group=mail
         StandardOutput=append:/run/pair/%p.log
         ExecStart={_IDS}
         ExecStart=+{_IDS}
         ExecStart=!{_IDS}
         ExecStart=@/bin/sh zero -c 'echo $$0 $A $$A' one
         ExecStart=-:/bin/sh -c 'echo $A; exit 3'
         ExecStart=-@/bin/false false
         ExecStart={serve("0")}
         ExecStop={_IDS}
         ExecStop=-/bin/false
         ExecStop=+{_IDS}
         ExecStopPost=!{_IDS}
         ExecStopPost=-+/bin/sh -c 'id -un; exit 1'
         ExecStopPost=:@/bin/sh zero -c 'echo $0 $A'
         Environment=A=b
         """, lines=20),
    Pair("prefixes-main", "", f"""
         User=daemon
         StandardOutput=append:/run/pair/%p.log
         ExecCondition=+{_IDS}
         ExecStartPre=!{_IDS}
         ExecStartPre=-/bin/false
         ExecStart={serve("sys.exit(4)").replace("/usr", "-@/usr", 1).replace("3 -c", "3 x -c", 1)}
         ExecStartPost={_IDS}
         ExecStop={_IDS}
         ExecStopPost=/bin/sh -c 'echo $SERVICE_RESULT $EXIT_CODE $EXIT_STATUS'
         """, lines=17),
]  # fmt: skip
_LIST = (
    "ExecStartPre=+/usr/bin/find /run/pair-{0} /var/lib/pair-{0} -printf '%%p %%m %%u %%g\\n'\n"
    "StandardOutput=append:LOG\nStateDirectory=pair-{0}/s pair-{0}/s/t\nStateDirectoryMode=0711"
)
_DIRECTORIES = [
    Pair(f"parents-{name}", "", "\n".join([f"ExecStart={serve('0')}", _LIST.format(name), *lines]),
         lines=3)
    for name, lines in {
        "root": ["RuntimeDirectory=pair-root/a/b pair-root/c", "RuntimeDirectoryMode=0700"],
        "user": ["RuntimeDirectory=pair-user/a/b", "User=daemon", "Group=mail"],
        "masked": ["RuntimeDirectory=pair-masked/a/b", "UMask=0077"],
        "nested": ["RuntimeDirectory=pair-nested pair-nested/a", "User=daemon",
                   "RuntimeDirectoryMode=0710"],
        "turned": ["RuntimeDirectory=pair-turned/a pair-turned", "User=daemon"],
    }.items()
]  # fmt: skip
# Two of them no container has, as that of the box.
_LACKING = [
    Pair("capabilities-lacking", "", "User=daemon\n"
         "AmbientCapabilities=CAP_NET_BIND_SERVICE CAP_SYS_MODULE CAP_SYS_RAWIO"),
    Pair("capabilities-bounded", "", "CapabilityBoundingSet=CAP_CHOWN CAP_SYS_MODULE CAP_SETUID\n"
         "User=daemon\nAmbientCapabilities=CAP_CHOWN CAP_KILL CAP_SYS_MODULE"),
]  # fmt: skip
COMMANDS = [*_SEEN, *_PREFIXES, *_DIRECTORIES, *_LACKING]
