"""What the local activator knows about a service; :mod:`.service_unit` makes these."""

import math
import signal
from dataclasses import dataclass, field
from typing import NamedTuple

# systemd-system.conf(5): DefaultTimeoutStartSec= and DefaultTimeoutStopSec=.
DEFAULT_TIMEOUT = 90.0
# DefaultStartLimitIntervalSec= and DefaultStartLimitBurst=.
DEFAULT_START_LIMIT = (10.0, 5)


@dataclass(frozen=True)
class ExecCommand:
    """One command of an Exec*= line.

    Attributes:
        prefixes: The special characters before the path.
        path: The program, specifiers resolved.
        argv: The arguments from ``argv[0]`` on; ``$`` in them is not expanded yet.
        place: FILE:LINE.
    """

    prefixes: str
    path: str
    argv: tuple[str, ...]
    place: str

    @property
    def may_fail(self) -> bool:
        """Tell whether its failure does not count."""
        return "-" in self.prefixes

    @property
    def keeps_privileges(self) -> bool:
        """Tell whether User= and its kin do not apply."""
        return "+" in self.prefixes or "!" in self.prefixes


@dataclass(frozen=True)
class Directories:
    """What one directive names: RuntimeDirectory=, StateDirectory= and so on.

    Attributes:
        paths: Absolute paths in order of their names.
        links: Where a symlink is made → the path it leads to.
        mode: The access mode.
        root: What they all are below, such as ``/var/lib``.
    """

    paths: tuple[str, ...] = ()
    links: dict[str, str] = field(default_factory=dict)
    mode: int = 0o755
    root: str = "/"


@dataclass(frozen=True)
class Scheduling:
    """How the kernel schedules processes; None for what stays as it is with us.

    Attributes:
        policy: The number of CPUSchedulingPolicy=.
        priority: CPUSchedulingPriority=.
        reset_on_fork: Whether children of it are scheduled as usual.
        affinity: The CPUs of CPUAffinity=, empty for ours.
        io: IOSchedulingClass= and IOSchedulingPriority= as ioprio_set(2) takes them.
        timer_slack: TimerSlackNSec= in nanoseconds.
        personality: Personality= as personality(2) takes it.
        dumped: CoredumpFilter= as core(5) has it.
    """

    policy: int | None = None
    priority: int = 0
    reset_on_fork: bool = False
    affinity: frozenset[int] = frozenset()
    io: int | None = None
    timer_slack: int | None = None
    personality: int | None = None
    dumped: int | None = None


@dataclass(frozen=True)
class Privileges:
    """What processes keep of root's privileges: sets as in capabilities(7).

    Attributes:
        bounding: CapabilityBoundingSet=, None for ours.
        ambient: AmbientCapabilities=.
        secure_bits: SecureBits=.
    """

    bounding: int | None = None
    ambient: int = 0
    secure_bits: int = 0


@dataclass(frozen=True)
class Execution:
    """How processes are run: what systemd.exec(5) describes.

    Attributes:
        environment: What Environment= sets.
        environment_files: The patterns of EnvironmentFile=, each with whether it may be
            missing, and its place.
        pass_environment: What is taken over from our own environment.
        unset_environment: Names, or NAME=VALUE, that are removed at last.
        working_directory: An absolute path, ``~``, or empty for the current directory.
        working_directory_optional: Whether a missing one is no error.
        stdin: ``null``, ``socket``, ``data``, ``file:PATH`` or ``fd:NAME``.
        stdout: ``journal``, ``socket``, ``null``, ``stdin`` for the same as there,
            ``file:PATH``, ``append:PATH``, ``truncate:PATH`` or ``fd:NAME``.
        stderr: The same, and ``stdout``.
        data: What standard input reads with ``data``.
        user: The user, a name or number; empty for ours.
        group: The group; empty for the user's own.
        supplementary_groups: Further groups.
        limits: LimitX= → soft and hard limit; math.inf for none.
        umask: The file mode creation mask.
        ignore_sigpipe: Whether it starts with SIGPIPE ignored.
        nice: The nice level, None for ours.
        oom_score_adjust: The kernel's badness, None for ours.
        scheduling: How the kernel schedules it.
        privileges: What it keeps of root's.
        no_new_privileges: Whether an exec may never gain privileges.
        directories: RUNTIME_DIRECTORY and its kin → the directories.
        preserve_runtime: ``no``, ``restart`` or ``yes``.
    """

    environment: dict[str, str] = field(default_factory=dict)
    environment_files: tuple[tuple[str, bool, str], ...] = ()
    pass_environment: tuple[str, ...] = ()
    unset_environment: tuple[str, ...] = ()
    working_directory: str = ""
    working_directory_optional: bool = False
    stdin: str = "null"
    stdout: str = "journal"
    stderr: str = "journal"
    data: bytes = b""
    user: str = ""
    group: str = ""
    supplementary_groups: tuple[str, ...] = ()
    limits: dict[str, tuple[float, float]] = field(default_factory=dict)
    umask: int = 0o022
    ignore_sigpipe: bool = True
    nice: int | None = None
    oom_score_adjust: int | None = None
    scheduling: Scheduling = Scheduling()
    privileges: Privileges = Privileges()
    no_new_privileges: bool = False
    directories: dict[str, Directories] = field(default_factory=dict)
    preserve_runtime: str = "no"

    @property
    def inetd(self) -> bool:
        """Tell whether a standard stream is the socket."""
        return "socket" in (self.stdin, self.stdout, self.stderr)


@dataclass(frozen=True)
class Killing:
    """How processes are ended: what systemd.kill(5) describes.

    Attributes:
        mode: ``control-group``, ``mixed``, ``process`` or ``none``.
        signals: KillSignal, RestartKillSignal, FinalKillSignal, WatchdogSignal → number.
        send_sighup: Whether SIGHUP follows the first signal.
        send_sigkill: Whether the last signal is sent at all.
    """

    mode: str = "control-group"
    signals: dict[str, int] = field(
        default_factory=lambda: {
            "KillSignal": int(signal.SIGTERM),
            "RestartKillSignal": int(signal.SIGTERM),
            "FinalKillSignal": int(signal.SIGKILL),
            "WatchdogSignal": int(signal.SIGABRT),
        }
    )
    send_sighup: bool = False
    send_sigkill: bool = True


@dataclass(frozen=True)
class Statuses:
    """A set of exit statuses and signals, as SuccessExitStatus= takes it."""

    codes: frozenset[int] = frozenset()
    signals: frozenset[int] = frozenset()

    def holds(self, status: int) -> bool:
        """Tell whether an exit status, negative for a signal, is in the set."""
        return status in self.codes if status >= 0 else -status in self.signals


@dataclass(frozen=True)
class Restarting:
    """When a service is started again by itself, and how often it may be started at all.

    Attributes:
        when: Restart=: ``no``, ``always``, ``on-success`` and so on.
        delay: Seconds of RestartSec=.
        steps: RestartSteps=, 0 for none.
        longest: Seconds of RestartMaxDelaySec=.
        success: SuccessExitStatus=.
        prevent: RestartPreventExitStatus=.
        force: RestartForceExitStatus=.
        interval: Seconds of StartLimitIntervalSec=.
        burst: StartLimitBurst=.
    """

    when: str = "no"
    delay: float = 0.1
    steps: int = 0
    longest: float = math.inf
    success: Statuses = Statuses()
    prevent: Statuses = Statuses()
    force: Statuses = Statuses()
    interval: float = DEFAULT_START_LIMIT[0]
    burst: int = DEFAULT_START_LIMIT[1]


class OpenFile(NamedTuple):
    """What one line of OpenFile= asks for.

    Attributes:
        path: An absolute path.
        fdname: The descriptor's name.
        options: ``read-only``, ``append``, ``truncate`` and ``graceful``, as far as given.
        place: FILE:LINE.
    """

    path: str
    fdname: str
    options: frozenset[str]
    place: str


@dataclass(frozen=True)
class Condition:
    """One line of Condition*= or Assert*=.

    Attributes:
        directive: Its name.
        value: What it asks about, specifiers resolved.
        place: FILE:LINE.
        trigger: Whether it is one of those of which one is enough.
        negate: Whether it must not be so.
    """

    directive: str
    value: str
    place: str
    trigger: bool = False
    negate: bool = False

    @property
    def text(self) -> str:
        """Return the line."""
        return f"{self.directive}={'|' * self.trigger}{'!' * self.negate}{self.value}"


@dataclass(frozen=True)
class Conditions:
    """What must hold before a unit starts.

    Attributes:
        conditions: Else the start is skipped.
        asserts: Else it fails.
    """

    conditions: tuple[Condition, ...] = ()
    asserts: tuple[Condition, ...] = ()


@dataclass(frozen=True)
class Relations:
    """What a unit has to do with others; each a tuple of unit names.

    Attributes:
        requires: Requires=, BindsTo= and Requisite=: they must be up.
        wants: Wants=: they are started, too.
        binds_to: BindsTo= alone: with them it stops.
        part_of: PartOf=: stopped and restarted with them.
        after: It starts after they have, and stops before they do.
        before: The other way round.
        conflicts: They are stopped first.
        upholds: Upholds=: they are started whenever it is up and they are not.
        on_failure: OnFailure=: started when it has failed.
        on_success: OnSuccess=: started when it has ended well.
        stop_when_unneeded: Whether it stops once nothing that is up requires it.
    """

    requires: tuple[str, ...] = ()
    wants: tuple[str, ...] = ()
    binds_to: tuple[str, ...] = ()
    part_of: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    upholds: tuple[str, ...] = ()
    on_failure: tuple[str, ...] = ()
    on_success: tuple[str, ...] = ()
    stop_when_unneeded: bool = False


@dataclass(frozen=True)
class ServiceUnit:
    """One .service unit, with its instance where it is made from a template.

    Attributes:
        name: The unit's full name.
        place: FILE:LINE of its ExecStart=.
        type: ``simple``, ``exec``, ``notify``, ``oneshot``, ``forking`` and so on.
        commands: ExecStart and its kin → the commands.
        execution: How processes are run.
        killing: How processes are ended.
        restarting: When it starts again.
        relations: What it has to do with other units.
        conditions: What must hold before each start.
        limits: TimeoutStart, TimeoutStop, TimeoutAbort, RuntimeMax, Watchdog → seconds,
            math.inf for none.
        sockets: Sockets=: sockets whose descriptors it gets besides those that name it.
        open_files: OpenFile=: what is opened and passed behind the sockets.
        nonblocking: Whether the descriptors are passed with O_NONBLOCK.
        exit_type: ``main``, or ``cgroup`` if it lasts as long as any of its processes.
        remain_after_exit: Whether it counts as active when its processes have ended.
        pid_file: Where a forking service writes its PID; may be empty.
        guess_main_pid: Whether the only process left is taken for the main one.
        notify: Who may notify: ``none``, ``main``, ``exec`` or ``all``.
        reload_signal: The signal of Type=notify-reload.
        store_max: How many descriptors it may store.
        store_preserve: ``no``, ``restart`` or ``yes``.
        late_start: TimeoutStartFailureMode=: ``terminate``, ``abort`` or ``kill``.
        late_stop: TimeoutStopFailureMode=.
    """

    name: str
    place: str
    type: str = "simple"
    commands: dict[str, tuple[ExecCommand, ...]] = field(default_factory=dict)
    execution: Execution = Execution()
    killing: Killing = Killing()
    restarting: Restarting = Restarting()
    relations: Relations = Relations()
    conditions: Conditions = Conditions()
    limits: dict[str, float] = field(default_factory=dict)
    sockets: tuple[str, ...] = ()
    open_files: tuple[OpenFile, ...] = ()
    nonblocking: bool = False
    exit_type: str = "main"
    remain_after_exit: bool = False
    pid_file: str = ""
    guess_main_pid: bool = True
    notify: str = "none"
    reload_signal: int = int(signal.SIGHUP)
    store_max: int = 0
    store_preserve: str = "restart"
    late_start: str = "terminate"
    late_stop: str = "terminate"

    @property
    def waits_for_ready(self) -> bool:
        """Tell whether the service counts as started only once it says READY=1."""
        return self.type in ("notify", "notify-reload")
