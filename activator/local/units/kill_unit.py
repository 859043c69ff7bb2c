"""From a unit's lines to how its processes are ended, and which statuses are good.

Source: systemd.kill(5), systemd.service(5) "SuccessExitStatus=".
"""

import signal

from activator.errors import ActivatorError
from activator.local.units import values
from activator.local.units.reader import Reader, one_of
from activator.local.units.service_model import Killing, Statuses

_MODES = ("control-group", "mixed", "process", "none")
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
_LAST_STATUS = 255


def read_killing(reader: Reader, section: str) -> Killing:
    """Make the model of how a unit's processes are ended.

    Raises:
        ActivatorError: systemd would skip a line.
    """
    signals = {
        name: reader.value(section, name, signal_number, int(default))
        for name, default in _SIGNALS.items()
    }
    signals["RestartKillSignal"] = reader.value(
        section, "RestartKillSignal", signal_number, signals["KillSignal"]
    )
    return Killing(
        mode=reader.value(section, "KillMode", one_of(*_MODES), "control-group"),
        signals=signals,
        send_sighup=reader.value(section, "SendSIGHUP", values.boolean, default=False),
        send_sigkill=reader.value(section, "SendSIGKILL", values.boolean, default=True),
    )


def read_statuses(reader: Reader, name: str) -> Statuses:
    """Return the set of SuccessExitStatus= or its kin.

    Raises:
        ActivatorError: A word is neither a status nor a signal.
    """
    codes, signals = set(), set()
    for word, entry in reader.words("Service", name):
        if word in _NAMES:
            codes.add(_NAMES[word])
        elif word.isdecimal() and word.isascii() and int(word) <= _LAST_STATUS:
            codes.add(int(word))
        else:
            try:
                signals.add(signal_number(word))
            except ActivatorError:
                what = f"{name}=: '{word}' is no exit status or signal"
                raise ActivatorError(what, "write 0 to 255", place=entry.place) from None
    return Statuses(frozenset(codes), frozenset(signals))


def signal_number(text: str) -> int:
    """Read a signal's name or number."""
    name = text if text.startswith("SIG") else f"SIG{text}"
    base, sign, offset = name.partition("+") if "+" in name else name.partition("-")
    try:
        number = int(text) if text.isdigit() else int(signal.Signals[base])
        if sign:
            number += int(f"{sign}{offset}")
    except (KeyError, ValueError):
        number = 0
    if not 0 < number <= signal.SIGRTMAX:
        raise ActivatorError(f"'{text}' is no signal", "write such as SIGTERM")
    return number
