"""From a unit's lines to how its processes are ended, and which statuses are good.

Source: systemd.kill(5), systemd.service(5) "SuccessExitStatus=".
"""

import signal

from activator.common.integers import to_integer
from activator.local.units.reader import Reader
from activator.local.units.service_model import Killing, Statuses
from activator.unitfile import read

# Directive → its default; RestartKillSignal= follows KillSignal=.
_SIGNALS = {
    "KillSignal": signal.SIGTERM,
    "FinalKillSignal": signal.SIGKILL,
    "WatchdogSignal": signal.SIGABRT,
}
# systemd.exec(5), "Process Exit Codes": the names that a list of statuses may have.
_NAMES = {
    "SUCCESS": 0, "FAILURE": 1, "INVALIDARGUMENT": 2, "NOTIMPLEMENTED": 3, "NOPERMISSION": 4,
    "NOTINSTALLED": 5, "NOTCONFIGURED": 6, "NOTRUNNING": 7, "USAGE": 64, "DATAERR": 65,
    "NOINPUT": 66, "NOUSER": 67, "NOHOST": 68, "UNAVAILABLE": 69, "SOFTWARE": 70, "OSERR": 71,
    "OSFILE": 72, "CANTCREAT": 73, "IOERR": 74, "TEMPFAIL": 75, "PROTOCOL": 76, "NOPERM": 77,
    "CONFIG": 78, "CHDIR": 200, "NICE": 201, "FDS": 202, "EXEC": 203, "MEMORY": 204,
    "LIMITS": 205, "OOM_ADJUST": 206, "SIGNAL_MASK": 207, "STDIN": 208, "STDOUT": 209,
    "CHROOT": 210, "IOPRIO": 211, "TIMERSLACK": 212, "SECUREBITS": 213, "SETSCHEDULER": 214,
    "CPUAFFINITY": 215, "GROUP": 216, "USER": 217, "CAPABILITIES": 218, "CGROUP": 219,
    "SETSID": 220, "CONFIRM": 221, "STDERR": 222, "PAM": 224, "NETWORK": 225, "NAMESPACE": 226,
    "NO_NEW_PRIVILEGES": 227, "SECCOMP": 228, "SELINUX_CONTEXT": 229, "PERSONALITY": 230,
    "APPARMOR": 231, "ADDRESS_FAMILIES": 232, "RUNTIME_DIRECTORY": 233, "CHOWN": 235,
    "SMACK_PROCESS_LABEL": 236, "KEYRING": 237, "STATE_DIRECTORY": 238, "CACHE_DIRECTORY": 239,
    "LOGS_DIRECTORY": 240, "CONFIGURATION_DIRECTORY": 241, "NUMA_POLICY": 242,
    "CREDENTIALS": 243, "BPF": 245,
}  # fmt: skip


def read_killing(reader: Reader, section: str) -> Killing:
    """Make the model of how a unit's processes are ended."""
    signals = {
        name: reader.value(section, name, read.signal, int(default))
        for name, default in _SIGNALS.items()
    }
    signals["RestartKillSignal"] = reader.value(
        section, "RestartKillSignal", read.signal, signals["KillSignal"]
    )
    return Killing(
        mode=reader.text(section, "KillMode", "control-group"),
        signals=signals,
        send_sighup=reader.value(section, "SendSIGHUP", read.boolean, default=False),
        send_sigkill=reader.value(section, "SendSIGKILL", read.boolean, default=True),
    )


def read_statuses(reader: Reader, name: str) -> Statuses:
    """Return the set of SuccessExitStatus= or its kin."""
    codes, signals = set(), set()
    for word, _ in reader.words("Service", name):
        status = _NAMES.get(word, to_integer(word))
        if status is not None:
            codes.add(status)
        else:
            signals.add(read.signal(word))
    return Statuses(frozenset(codes), frozenset(signals))
