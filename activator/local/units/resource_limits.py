"""The resource limits that a unit can set, by directive.

Source: systemd.exec(5), systemd-system.conf(5), setrlimit(2).
"""

import resource

_NAMES = (
    "CPU FSIZE DATA STACK CORE RSS NOFILE AS NPROC MEMLOCK SIGPENDING MSGQUEUE NICE RTPRIO RTTIME"
)
# Directive → the kernel's number, where Python names it.
LIMITS = {
    f"Limit{name}": getattr(resource, f"RLIMIT_{name}")
    for name in _NAMES.split()
    if hasattr(resource, f"RLIMIT_{name}")
} | {"LimitLOCKS": 10}
# systemd-system.conf(5): what every service gets, unless the unit says otherwise.
DEFAULT_LIMITS = {"LimitNOFILE": (1024.0, 524288.0)}
