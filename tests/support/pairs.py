"""Pairs of units, each around some directives, for two activators to be compared by.

Every pair listens on ``/run/pair/NAME.sock`` if it says nothing else, runs a witness that
tells its first client all it sees, and may write a log, ``/run/pair/NAME.log``.
"""

import os

from tests.support.pair import POST, TAKES, WAIT, WITNESS, Pair, fails, life, say, serve
from tests.support.pairs_commands import COMMANDS
from tests.support.pairs_starts import STARTS
from tests.support.pairs_told import TOLD

_CPU = min(os.sched_getaffinity(0))
_ALL_KINDS = """
    ListenStream={port}
    ListenStream=127.0.0.1:1{port}
    ListenStream=/run/pair/{name}.sock
    ListenDatagram=[::1]:{port}
    ListenDatagram=@{name}
    ListenSequentialPacket=/run/pair/{name}.seq
    ListenNetlink=kobject-uevent 0
    {lines}
    """
_OPTIONS = {
    "buffers": "ReceiveBuffer=64K\n    SendBuffer=1M",
    "keepalive": "KeepAlive=yes\n    KeepAliveTimeSec=90s\n    KeepAliveIntervalSec=7500ms\n"
    "    KeepAliveProbes=4",
    "tcp": "NoDelay=yes\n    DeferAcceptSec=1\n    ReusePort=yes\n    Backlog=3\n"
    "    TCPCongestion=reno",
    "ip": "IPTOS=throughput\n    IPTTL=99\n    FreeBind=yes\n    Transparent=yes\n"
    "    PassPacketInfo=yes",
    "misc": "Priority=3\n    Mark=0x1f\n    Broadcast=yes\n    Timestamping=us\n"
    "    PassCredentials=yes",
    "security": "PassSecurity=yes\n    Timestamping=ns\n    BindIPv6Only=both",
    "odd": "Priority=-9\n    Mark=0\n    IPTOS=0\n    SendBuffer=0\n    KeepAliveTimeSec=0",
}

SOCKETS = [
    Pair("plain"),
    Pair("tcp4", "ListenStream=127.0.0.1:7101", ask=["127.0.0.1", 7101]),
    Pair("tcp6", "ListenStream=[::1]:7102\nBindIPv6Only=ipv6-only", ask=["::1", 7102]),
    Pair("port", "ListenStream=7103", ask=["127.0.0.1", 7103]),
    Pair("device", "ListenStream=7104\nBindToDevice=lo", ask=["::1", 7104]),
    Pair("abstract", "ListenStream=@pair-abstract", ask="@pair-abstract"),
    Pair("seqpacket", "ListenSequentialPacket=/run/pair/seqpacket.sock"),
    Pair("datagram", "ListenDatagram=127.0.0.1:7105\nListenStream=/run/pair/datagram.sock",
         first=["127.0.0.1", 7105]),
    Pair("dgram", "ListenDatagram=/run/pair/dgram\nListenStream=/run/pair/dgram.sock",
         first="/run/pair/dgram"),
    Pair("fifo", "ListenFIFO=/run/pair/fifo\nListenStream=/run/pair/fifo.sock\nPipeSize=128K\n"
         "SocketMode=0620", first="/run/pair/fifo"),
    Pair("netlink", "ListenNetlink=route 0\nListenStream=/run/pair/netlink.sock"),
    Pair("special", "ListenSpecial=/dev/random\nListenStream=/run/pair/special.sock"),
    Pair("writable", "ListenSpecial=/dev/random\nWritable=yes\n"
         "ListenStream=/run/pair/writable.sock"),
    Pair("queue", "ListenMessageQueue=/pair-queue\nListenStream=/run/pair/queue.sock\n"
         "MessageQueueMaxMessages=4\nMessageQueueMessageSize=128\nRemoveOnStop=yes\nSocketMode=0600"),
    Pair("queue-plain", "ListenMessageQueue=/pair-plain\nListenStream=/run/pair/queue-plain.sock\n"
         "RemoveOnStop=yes"),
    Pair("modes", "ListenStream=/run/pair/deep/er/modes.sock\nSocketMode=0640\nDirectoryMode=0710",
         ask="/run/pair/deep/er/modes.sock"),
    Pair("owner", "SocketUser=nobody\nSocketMode=0600"),
    Pair("group", "SocketGroup=daemon\nSocketMode=0660"),
    Pair("owners", "SocketUser=nobody\nSocketGroup=daemon"),
    Pair("links", 'Symlinks=/run/pair/links/one "/run/pair/links/two words"\nRemoveOnStop=yes',
         ask="/run/pair/links/two words"),
    Pair("names", "ListenStream=/run/pair/names.sock\nListenStream=@pair-names\n"
         "FileDescriptorName=of %n"),
    Pair("elsewhere", "Service=other@x.service", "Environment=A=%i B=%p C=%n"),
    Pair("lite", "ListenDatagram=127.0.0.1:7106\nListenStream=/run/pair/lite.sock\n"
         "SocketProtocol=udplite"),
    *(Pair(f"opt-{name}", _ALL_KINDS.format(port=7110 + n, name=f"opt-{name}", lines=lines),
           ask=["::1", 7110 + n])
      for n, (name, lines) in enumerate(_OPTIONS.items())),
    Pair("each", "ListenStream=7121\nAccept=yes\nKeepAlive=yes\nNoDelay=yes\nReceiveBuffer=64K",
         ask=["127.0.0.1", 7121], source=["127.0.0.1", 7122]),
    Pair("each6", "ListenStream=[::1]:7123\nAccept=yes", ask=["::1", 7123], source=["::1", 7124]),
    Pair("each-unix", "Accept=yes\nFileDescriptorName=named\nMaxConnections=2"),
    Pair("each-bound", "Accept=yes", source="/run/pair/each-bound.client"),
    Pair("each-seq", "ListenSequentialPacket=@pair-seq\nAccept=yes", ask="@pair-seq",
         source="@pair-seq-client"),
    Pair("each-nonblocking", "Accept=yes", "NonBlocking=yes"),
    Pair("commands", f"ExecStartPre={say('pre')}\nExecStartPost={say('post')}\n"
         f"ExecStartPost=-/bin/false\nExecStopPre={say('stop-pre')}\n"
         f"ExecStopPost={say('stop-post $LISTEN_FDS')}\nTimeoutSec=20s", lines=2),
    Pair("commands-fds", f"PassFileDescriptorsToExec=yes\nFileDescriptorName=x\n"
         f"ExecStartPre={say('pre $LISTEN_FDS')}\n"
         f"ExecStartPost={say('post $LISTEN_FDS $LISTEN_FDNAMES')}", lines=2, since=256),
]  # fmt: skip

_LIMIT_LINES = "\n".join(
    f"Limit{name}={value}"
    for name, value in {
        "CPU": "5min:10min", "FSIZE": "1G", "DATA": "4G", "STACK": "4M:8M", "CORE": "0",
        "RSS": "infinity", "NOFILE": "100:200", "AS": "16T", "NPROC": "4000", "MEMLOCK": "64K",
        "LOCKS": "77", "SIGPENDING": "500", "MSGQUEUE": "100K", "NICE": "+5", "RTPRIO": "3",
        "RTTIME": "5s",
    }.items()
)  # fmt: skip
SOCKETS += [
    Pair("commands-settings", f"""
         ExecStartPost=/bin/sh -c 'echo $A $B $C $D; pwd; umask; id; nice; ulimit -a; cat; cat $SCORE; echo $HOME >&2'
         ExecStartPost=/bin/sh -c '{{ chrt -p $$$$; taskset -p $$$$; }} | sed s/^[^u]*.s//; ionice -p $$$$; uname -m; grep ^Cap[PEBA] /proc/self/status; cat /proc/self/coredump_filter /proc/self/timerslack_ns'
         ListenStream=/run/pair/%p.sock
         Environment=A=one B=two SCORE=/proc/self/oom_score_adj
         EnvironmentFile=-/run/pair/settings.env
         PassEnvironment=NOT_THERE
         UnsetEnvironment=B
         WorkingDirectory=/usr
         UMask=0037
         User=daemon
         Group=mail
         SupplementaryGroups=audio
         Nice=3
         OOMScoreAdjust=50
         CPUSchedulingPolicy=rr
         CPUSchedulingPriority=4
         CPUSchedulingResetOnFork=yes
         CPUAffinity={_CPU}
         IOSchedulingClass=best-effort
         IOSchedulingPriority=5
         TimerSlackNSec=70us
         Personality=x86
         CoredumpFilter=elf-headers
         CapabilityBoundingSet=CAP_NET_RAW CAP_KILL CAP_SETPCAP
         AmbientCapabilities=CAP_NET_RAW
         SecureBits=noroot
         NoNewPrivileges=yes
         IgnoreSIGPIPE=no
         StandardInput=data
         StandardInputText=given
         StandardInputData=Z2l2ZW4K
         StandardOutput=append:LOG
         StandardError=inherit
         {_LIMIT_LINES.replace(chr(10), chr(10) + " " * 9)}
         """, lines=10, files={"/run/pair/settings.env": "C=three\n"}),  # noqa: E501
    Pair("trigger", "TriggerLimitBurst=3\nTriggerLimitIntervalSec=1min\nPollLimitIntervalSec=0\n"
         "PollLimitBurst=9", f"ExecStart={say('start')}\n[Unit]\nStartLimitIntervalSec=0",
         lines=3),
    Pair("crowd", "Accept=yes\nMaxConnections=2", "ExecStart=/bin/sh -c 'echo hi; sleep 4'\n"
         "StandardInput=socket", crowd=4),
    Pair("crowd-source", "ListenStream=127.0.0.1:7131\nAccept=yes\nMaxConnectionsPerSource=3",
         "ExecStart=/bin/sh -c 'echo hi; sleep 4'\nStandardInput=socket", crowd=5,
         ask=["127.0.0.1", 7131]),
    Pair("new-options", "PassPIDFD=yes\nAcceptFileDescriptors=no", since=258),
]  # fmt: skip

_FILE = """\
# a comment \\
goes on
PLAIN=a  b
 SPACED =  x y\t
DOUBLE="a \\"b\\" \\$c \\n"
SINGLE='a "b" \\n'
MIXED="one"' two'
INNER=a"b"c
ESCAPED=a\\ b\\"
CONTINUED=a\\
b
; another
1BAD=x
EMPTY=
LAST=%n
"""

SERVICES = [
    Pair("environment", "", "Environment=ONE=one \"TWO=two  words\" 'THREE=\"a b\" c' FOUR=4\n"
         'Environment="FIVE=5 $ONE ${ONE}" PATHY=%t\nUnsetEnvironment=FOUR ONE=other'),
    Pair("environment-file", "", "EnvironmentFile=/run/pair/env\nEnvironmentFile=-/run/pair/none\n"
         "EnvironmentFile=/run/pair/env.*\nEnvironment=PLAIN=over", files={
             "/run/pair/env": _FILE, "/run/pair/env.1": "GLOB=1\n", "/run/pair/env.2": "GLOB=2\n"}),
    Pair("pass", "", "PassEnvironment=NOT_THERE LANG"),
    Pair("words", "", rf"""
         ExecStart=-@/usr/bin/python3 probe {WITNESS} $ONE ${{ONE}} x${{TWO}}y $$ONE $NONE ${{NONE}} %n %N %p %P %i %I %j %J %f %t %u %U %h %s %S %C %L %E %T %V %% "quo ted" 'sin"gle' \x41\t\u00e9 \; plain$ONE "$TWO" '%%' "a%%b" $THREE
         Environment=ONE=one "TWO=two  words" 'THREE="a b" c'"""),  # noqa: E501
    Pair("verbatim", "", f"ExecStart=:/usr/bin/python3 {WITNESS} $HOME ${{HOME}} %n"),
    Pair("directory", "", "WorkingDirectory=/usr/lib"),
    Pair("home", "", "WorkingDirectory=~"),
    Pair("no-directory", "", "WorkingDirectory=-/not/there"),
    Pair("process", "", "UMask=0027\nNice=5\nOOMScoreAdjust=100\nIgnoreSIGPIPE=no"),
    Pair("limits", "", _LIMIT_LINES),
    Pair("real-time", "", f"CPUSchedulingPriority=7\nCPUSchedulingPolicy=rr\n"
         f"CPUSchedulingResetOnFork=yes\nCPUAffinity=77\nCPUAffinity=\nCPUAffinity={_CPU}\n"
         "IOSchedulingPriority=2\nIOSchedulingClass=realtime\nTimerSlackNSec=30us\n"
         "CoredumpFilter=elf-headers shared-dax\nCoredumpFilter=0x2\nPersonality=x86-64"),
    Pair("lowest", "", "Nice=4\nCPUSchedulingPolicy=idle\nIOSchedulingClass=idle\n"
         "CPUAffinity=0-4095\nCoredumpFilter=default\nPersonality=x86\nTimerSlackNSec=1ms"),
    Pair("first-level", "", "CPUSchedulingPolicy=fifo\nIOSchedulingPriority=6\n"
         "CPUSchedulingResetOnFork=no\nTimerSlackNSec=infinity\nCoredumpFilter=all"),
    Pair("ordinary", "", "CPUSchedulingPriority=9\nCPUSchedulingPolicy=rr\n"
         "CPUSchedulingPolicy=batch\nIOSchedulingClass=idle\nIOSchedulingClass=\nNice=2"),
    Pair("opened", "NoDelay=no\nFileDescriptorName=first", """
         OpenFile=/run/pair/one
         OpenFile=/run/pair/two:append of it:append
         OpenFile=/run/pair/three::truncate,graceful
         OpenFile=/run/pair/none:none:graceful
         OpenFile=/run/pair/%p:%n:graceful
         OpenFile=/run/pair/\\x6fne:\\x41:read-only
         OpenFile=/run/systemd/journal/stdout:stdout
         NonBlocking=yes
         User=nobody
         """, files={f"/run/pair/{name}": "old" for name in ("one", "two", "three")}, since=253),
    Pair("capable", "", "User=daemon\nAmbientCapabilities=CAP_NET_BIND_SERVICE cap_chown\n"
         "AmbientCapabilities=~CAP_CHOWN\nCapabilityBoundingSet=CAP_CHOWN CAP_SETUID\n"
         "CapabilityBoundingSet=CAP_NET_BIND_SERVICE CAP_KILL\nCapabilityBoundingSet=~CAP_KILL"),
    Pair("incapable", "", "CapabilityBoundingSet=\nNoNewPrivileges=yes"),
    Pair("bounded", "", "User=nobody\nCapabilityBoundingSet=CAP_CHOWN CAP_KILL 7\n"
         "SecureBits=noroot noroot-locked"),
    Pair("bits", "", "CapabilityBoundingSet=CAP_CHOWN CAP_SETPCAP\nSecureBits=no-setuid-fixup\n"
         "AmbientCapabilities=CAP_CHOWN"),
    Pair("no-new", "", "NoNewPrivileges=yes"),
    Pair("user", "", "User=nobody"),
    Pair("user-group", "", "User=daemon\nGroup=mail\nSupplementaryGroups=audio www-data"),
    Pair("groups", "", "SupplementaryGroups=audio"),
    Pair("number", "", "User=2\nWorkingDirectory=~"),
    Pair("privileged", "", f"User=nobody\nExecStart=+/usr/bin/python3 {WITNESS}"),
    Pair("elevated", "", f"User=nobody\nExecStart=!/usr/bin/python3 {WITNESS}"),
    Pair("directories", "", "RuntimeDirectory=pair-own pair-more/deep\nRuntimeDirectoryMode=0700\n"
         "StateDirectory=pair-state\nStateDirectoryMode=0750\nCacheDirectory=pair-cache\n"
         "CacheDirectoryMode=0711\nLogsDirectory=pair-logs\nLogsDirectoryMode=0755\n"
         "ConfigurationDirectory=pair-etc\nConfigurationDirectoryMode=0705"),
    Pair("directories-user", "", "User=nobody\nRuntimeDirectory=pair-nobody:pair-link\n"
         "StateDirectory=pair-nobody\nRuntimeDirectoryPreserve=yes"),
    Pair("inetd", "Accept=yes", "StandardInput=socket"),
    Pair("inetd-log", "Accept=yes", "StandardInput=socket\nStandardError=journal"),
    Pair("inetd-out", "Accept=yes", "StandardInput=socket\nStandardOutput=null"),
    Pair("inetd-shared", "", "StandardInput=socket\nStandardOutput=inherit"),
    Pair("out-socket", "Accept=yes", "StandardOutput=socket\nStandardError=null"),
    Pair("files", "", "StandardInput=file:/run/pair/in\nStandardOutput=file:/run/pair/out\n"
         "StandardError=append:/run/pair/err",
         files={"/run/pair/in": "from a file\n", "/run/pair/out": "", "/run/pair/err": ""}),
    Pair("truncate", "", "StandardOutput=truncate:/run/pair/cut\nStandardError=inherit",
         files={"/run/pair/cut": "old\n"}),
    Pair("named", "FileDescriptorName=mine", "StandardInput=fd:mine"),
    Pair("data", "", "StandardInput=data\nStandardInputText=one \\x41\nStandardInputData=dHdvCg=="),
    Pair("null", "", "StandardInput=null\nStandardOutput=null\nStandardError=null"),
    Pair("nonblocking", "ListenStream=/run/pair/nonblocking.sock\nListenFIFO=/run/pair/nb.fifo",
         "NonBlocking=yes\nSyslogIdentifier=blocks-not"),
    Pair("exec", "", "Type=exec"),
    Pair("idle", "", "Type=idle"),
    Pair("notify", "", "Type=notify\nWatchdogSec=20s\nNotifyAccess=all"),
    Pair("oneshot", "", "Type=oneshot"),
    Pair("store", "", "FileDescriptorStoreMax=3\nEnvironment=STORE=1\nRestart=on-failure\n"
         "RestartSec=100ms"),
    Pair("input", "", "StandardInput=file:/run/pair/input", files={"/run/pair/input": "x\n"}),
    Pair("store-for-good", "", "FileDescriptorStoreMax=3\nEnvironment=STORE=1\n"
         "FileDescriptorStorePreserve=yes", since=254),
    Pair("more-sockets", "ListenStream=/run/pair/more-sockets.sock", "Sockets=more-other.socket",
         more={"more-other.socket": "[Socket]\nListenDatagram=/run/pair/more-other.sock\n"
               "FileDescriptorName=other\nService=more-sockets.service\n"}),
]  # fmt: skip

_FORK = "sleep 1000 & echo $! >/run/pair/forks.pid"


LIVES = [
    Pair("chain", "", f"""
         Type=notify
         ExecCondition={say("condition")}
         ExecStartPre={say("pre1")}
         ExecStartPre=-/bin/false
         ExecStartPre={say("pre2 $LISTEN_FDS")}
         ExecStartPost={say("post $MAINPID | tr -d 0-9 | sed s/^/x/")}
         ExecStop={say("stop $SERVICE_RESULT $EXIT_CODE $EXIT_STATUS")}
         {POST}
         """, lines=6),
    fails("pre-fails", "ExecStart=/bin/true", "ExecStartPre=/bin/sh -c 'exit 3'", count=5),
    fails("skipped", "ExecStart=/bin/true", "ExecCondition=/bin/sh -c 'exit 7'", count=5),
    fails("no-condition", "ExecStart=/bin/true", "ExecCondition=/bin/sh -c 'exit 255'", count=5),
    Pair("shots", "", f"Type=oneshot\nRemainAfterExit=yes\nExecStart={say('1')}\n{POST}\n"
         f"ExecStart=-/bin/false\nExecStart={serve('0')}\nExecStop={say('stop')}", lines=1),
    Pair("not-opened", "", f"ExecStart=/bin/true\nOpenFile=/run/pair/not-there\n"
         f"OpenFile=/run/pair\n{POST}", lines=5, since=253),
    Pair("no-such-cpu", "", f"ExecStart=/bin/true\nCPUAffinity=4000\n{POST}"),
    Pair("no-such-level", "", f"ExecStart=/bin/true\nCPUSchedulingPolicy=rr\n"
         f"CPUSchedulingPriority=0\n{POST}"),
    life("status", "sys.exit(5)"),
    life("success", "sys.exit(5)", "SuccessExitStatus=5 SIGUSR1", f"ExecStop={say('stop')}",
          count=2),
    life("signal", "os.kill(os.getpid(),10)"),
    life("clean-signal", "os.kill(os.getpid(),1)"),
    life("good-signal", "os.kill(os.getpid(),10)", "SuccessExitStatus=SIGUSR1"),
    life("dies", "0", "Type=notify"),
    fails("restarts", "ExecStart=/bin/sh -c 'echo start >>LOG; exit 5'", "Restart=on-failure",
           "RestartSec=50ms", count=10),
    life("prevented", "sys.exit(9)", "Restart=always", "RestartPreventExitStatus=9 SIGUSR2"),
    fails("forced", "ExecStart=/bin/sh -c 'echo start >>LOG; exit 6'", "Restart=no",
           "RestartForceExitStatus=6", "RestartSec=50ms", count=10),
    fails("abnormal", "ExecStart=/bin/sh -c 'echo start >>LOG; kill -USR1 $$$$'",
           "RestartSec=10ms", "Restart=on-abnormal", count=10),
    fails("aborted", "ExecStart=/bin/sh -c 'echo start >>LOG; exit 5'", "Restart=on-abort",
           count=10),
    fails("steps", "ExecStart=/bin/sh -c 'echo start >>LOG; exit 5'", "Restart=on-failure",
           "RestartSec=10ms", "RestartSteps=3", "RestartMaxDelaySec=50ms", count=10),
    fails("legacy", "StartLimitInterval=1min", "StartLimitBurst=2", "ExecStart=/bin/false",
           count=2),
    Pair("old-limit", "", f"ExecStart={say('start')}\n[Unit]\nStartLimitBurst=2\n"
         "StartLimitInterval=1min", lines=2),
    Pair("start-limit", "", f"ExecStart={say('start')}\n[Unit]\nStartLimitBurst=3\n"
         "StartLimitIntervalSec=1min", lines=3),
    life("watchdog", f"from systemd import daemon as d; d.notify(os.environ[chr(82)]); {WAIT}",
          "Type=notify", "Environment=R=READY=1", "WatchdogSec=200ms", "WatchdogSignal=SIGUSR2"),
    life("never-ready", WAIT, "Type=notify", f"TimeoutSec={TAKES}"),
    life("never-ready-abort", WAIT, "Type=notify", f"TimeoutStartSec={TAKES}",
          "TimeoutStartFailureMode=abort", "TimeoutAbortSec=1s"),
    life("extended", f"from systemd import daemon as d; d.notify(os.environ[chr(82)]); {WAIT}",
          "Type=notify", f"TimeoutStartSec={TAKES}", "Environment=R=EXTEND_TIMEOUT_USEC=5000000"),
    life("runtime-max", WAIT, f"RuntimeMaxSec={TAKES}"),
    life("stubborn", f"signal.signal(15,signal.SIG_IGN); {WAIT}", "TimeoutStopSec=300ms",
          f"RuntimeMaxSec={TAKES}"),
    life("kill-signal", f"signal.signal(10,lambda *_: sys.exit(4)); {WAIT}", "KillSignal=SIGUSR1",
          f"RuntimeMaxSec={TAKES}"),
    life("hang-up", "signal.signal(10,signal.SIG_IGN); signal.signal(1,lambda *_: sys.exit(4)); "
          + WAIT, "KillSignal=SIGUSR1", "SendSIGHUP=yes", f"RuntimeMaxSec={TAKES}"),
    life("final-signal", f"signal.signal(15,signal.SIG_IGN); {WAIT}", "TimeoutStopSec=200ms",
          f"RuntimeMaxSec={TAKES}", "FinalKillSignal=SIGUSR2"),
    life("not-killed", "signal.signal(15,signal.SIG_IGN); time.sleep(20)", "TimeoutStopSec=200ms",
          f"RuntimeMaxSec={TAKES}", "SendSIGKILL=no"),
    life("mixed", f"os.fork() or signal.signal(15,lambda *_: sys.exit(6)); {WAIT}",
          "KillMode=mixed", f"RuntimeMaxSec={TAKES}"),
    life("main-only", "os.fork() or time.sleep(1); time.sleep(0.3); sys.exit(3)",
          "KillMode=process"),
    life("stops", WAIT, "ExecStop=/bin/sh -c 'echo stop >>LOG; kill $MAINPID'",
          f"RuntimeMaxSec={TAKES}", count=2),
    life("late-stop", WAIT, "ExecStop=/bin/sleep 100", "TimeoutStopSec=300ms",
          "TimeoutStopFailureMode=kill", f"RuntimeMaxSec={TAKES}"),
    Pair("forks", "", f"""
         Type=forking
         PIDFile=/run/pair/forks.pid
         ExecStart=/bin/sh -c '{_FORK}; exec {serve("0")}'
         ExecStartPost=/bin/sh -c 'test $MAINPID = $(cat $PIDFILE) && echo same $PIDFILE >>LOG'
         {POST}
         """, lines=1),
    Pair("forks-guess", "", f"""
         Type=forking
         ExecStart=/bin/sh -c 'sleep 1000 & exec {serve("0")}'
         ExecStartPost=/bin/sh -c 'echo $MAINPID | tr -d 0-9 | sed s/^/main/ >>LOG'
         {POST}
         """, lines=1),
    Pair("no-guess", "", f"""
         Type=forking
         GuessMainPID=no
         ExecStart=/bin/sh -c 'sleep 1000 & exec {serve("0")}'
         ExecStartPost=/bin/sh -c 'echo main$MAINPID >>LOG'
         {POST}
         """, lines=1),
    Pair("binds", "", f"ExecStart={serve(WAIT)}\nExecStartPre={say('front-pre')}\n"
         f"ExecStopPost={say('front-post $SERVICE_RESULT')}\n[Unit]\nBindsTo=binds-back.service\n"
         "After=binds-back.service", lines=4,
         more={"binds-back.service": f"""\
             [Unit]
             StopWhenUnneeded=yes
             [Service]
             ExecStartPre={say("back-pre")}
             ExecStart=/bin/sleep 4
             ExecStopPost={say("back-post $SERVICE_RESULT").replace("echo", "sleep 3; echo")}
             """}),
    Pair("needs", "", "ExecStart=/bin/sh -c 'echo never >>LOG'\n[Unit]\n"
         "Requires=needs-back.service\nAfter=needs-back.service\nStartLimitIntervalSec=0", lines=3,
         more={"needs-back.service": """\
             [Service]
             Type=oneshot
             ExecStart=/bin/sh -c 'echo back >>LOG; exit 1'
             [Unit]
             StartLimitBurst=3
             StartLimitIntervalSec=1min
             """}),
    Pair("unneeded", "", f"ExecStart={serve('time.sleep(0.2)')}\n[Unit]\n"
         "Wants=unneeded-back.service", lines=2,
         more={"unneeded-back.service": f"""\
             [Unit]
             StopWhenUnneeded=yes
             Before=unneeded.service
             [Service]
             Type=oneshot
             RemainAfterExit=yes
             ExecStart={say("back")}
             ExecStop={say("back-stop")}
             """}),
    Pair("flushed", "FlushPending=yes", f"ExecStart={say('start')}", lines=1),
    Pair("held", "Accept=yes", 'ExecStart=/usr/bin/python3 -c "import os,time; os.close(3); '
         "time.sleep(1); open('/run/pair/held.log','a').write('end '); time.sleep(0.3)\"", lines=0),
]  # fmt: skip
PAIRS = [*SOCKETS, *SERVICES, *LIVES, *STARTS, *COMMANDS, *TOLD]
