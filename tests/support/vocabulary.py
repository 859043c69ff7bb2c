"""A spec for each directive that systemd documents, with a value that systemd accepts."""

from collections.abc import Iterator
from typing import Any

from activator.unitfile import directives
from activator.unitfile.directives import Directive

# Type of a value, with or without what stands behind its colon → a value of it.
BY_TYPE = {
    "address-families": "AF_UNIX AF_INET",
    "base64": "aGVsbG8=",
    "bind-paths": "/usr/share:/mnt:rbind",
    "boolean": "yes",
    "bpf-program": "egress:/sys/fs/bpf/program",
    "bus-name": "org.example.Vocabulary",
    "capabilities": "CAP_CHOWN CAP_KILL",
    "cgroup-name": "main",
    "command": '/bin/true "a b"',
    "condition": "yes",
    "condition-path": "/etc/os-release",
    "controllers": "cpu memory",
    "coredump-filter": "private-anonymous 0x4",
    "cpu-affinity": "0",
    "cpu-set": "0",
    "delegate": "yes",
    "device-allow": "/dev/null rw",
    "device-latency": "/dev/null 10ms",
    "device-limit": "/dev/null 1M",
    "device-weight": "/dev/null 100",
    "directories": "vocabulary",
    "documentation": "man:systemd.socket(5) https://example.org/",
    "environment": 'A=1 "B=a b"',
    "environment-file": "-/etc/default/vocabulary",
    "errno": "EPERM",
    "escaped-text": r"hello\x20there",
    "exit-statuses": "3 SIGTERM",
    "extension-images": "-/srv/extension.raw",
    "filesystems": "~tracefs",
    "flags:architecture": "native",
    "image-policy": "root=verity+signed",
    "import-credential": "vocabulary.*",
    "install-names": "multi-user.target",
    "instance": "main",
    "integer": "3",
    "interface": "lo",
    "interface:long": "lo",
    "interfaces": "lo",
    "ip-prefixes": "127.0.0.0/8 ::1 localhost",
    "label": "-vocabulary",
    "limit": "infinity",
    "limit:nice": "+5",
    "load-credential": "secret:/etc/hostname",
    "log-fields": "KIND=vocabulary",
    "log-namespace": "vocabulary",
    "long": "8",
    "luo-session": "vocabulary",
    "memory": "64M",
    "mode": "0640",
    "mount-images": "-/srv/image.raw:/mnt",
    "namespace-paths": "-/usr/share -/var/lib",
    "namespaces": "net ipc",
    "namespaces:user": "net ipc",
    "nft-sets": "cgroup:inet:filter:set",
    "numa-mask": "0",
    "oom-rules": "rule",
    "open-file": "/etc/hostname:host:read-only",
    "path": "/srv/vocabulary",
    "paths": "/srv",
    "percent": "50%",
    "pid-file": "/run/vocabulary.pid",
    "protect-hostname": "yes",
    "queue-size": "128",
    "quota": "10%",
    "quota-percent": "50%",
    "reboot-argument": "vocabulary",
    "refresh-on-reload": "credentials",
    "regex": "~quiet",
    "root-hash": "0123456789abcdef" * 4,
    "root-hash-signature": "base64:aGVsbG8=",
    "root-image-options": "root:ro",
    "search-path": "/usr/local/bin:/usr/bin",
    "set-credential": r"secret:a\nb",
    "set-credential:encrypted": "secret:aGVsbG8=",
    "signal": "SIGINT",
    "silent-flags:bpf-attachments": "any",
    "silent-flags:bpf-commands": "any",
    "silent-flags:bpf-maps": "any",
    "silent-flags:bpf-programs": "any",
    "silent-flags:secure-bits": "noroot",
    "size": "64K",
    "socket-bind": "ipv4:tcp:8080-8090",
    "standard-input": "null",
    "standard-output": "journal",
    "string": "vocabulary",
    "syscalls": "@system-service",
    "syscalls:log": "@mount",
    "tasks": "16",
    "temporary-filesystems": "/var:ro",
    "timespan": "5s",
    "tristate": "yes",
    "unit:slice": "system.slice",
    "units": "nss-lookup.target",
    "units:socket": "vocabulary-extra.socket",
    "unsigned": "5",
    "user": "root",
    "users": "root",
    "variable-names": "TZ",
    "variables": "A B=1",
    "weight": "100",
    "working-directory": "-/srv",
    "xattr": "user.kind=vocabulary",
}
# Directive → a value, where its type says too little.
BY_NAME = {
    "BindIPv6Only": "ipv6-only",
    "CPUSchedulingPolicy": "batch",
    "CPUSetPartition": "member",
    "CPUPressureWatch": "auto",
    "CollectMode": "inactive-or-failed",
    "DeferTrigger": "patient",
    "DevicePolicy": "closed",
    "ExitType": "cgroup",
    "FailureAction": "none",
    "FileDescriptorStorePreserve": "yes",
    "IOSchedulingClass": "idle",
    "IOPressureWatch": "auto",
    "IPTOS": "low-delay",
    "JobTimeoutAction": "none",
    "KeyringMode": "private",
    "KillMode": "control-group",
    "LogLevelMax": "info",
    "ManagedOOMMemoryPressure": "kill",
    "ManagedOOMPreference": "avoid",
    "ManagedOOMSwap": "kill",
    "MemoryPressureWatch": "auto",
    "MemoryTHP": "disable",
    "MountFlags": "slave",
    "NUMAPolicy": "local",
    "NotifyAccess": "all",
    "OOMPolicy": "continue",
    "OnFailureJobMode": "fail",
    "OnSuccessJobMode": "fail",
    "Personality": "x86-64",
    "PrivateBPF": "yes",
    "PrivatePIDs": "yes",
    "PrivateTmp": "yes",
    "PrivateUsers": "yes",
    "ProcSubset": "pid",
    "ProtectControlGroups": "yes",
    "ProtectHome": "read-only",
    "ProtectProc": "invisible",
    "ProtectSystem": "full",
    "Restart": "on-failure",
    "RestartMode": "direct",
    "RuntimeDirectoryPreserve": "restart",
    "SocketProtocol": "sctp",
    "StartLimitAction": "none",
    "SuccessAction": "none",
    "SyslogFacility": "daemon",
    "SyslogLevel": "info",
    "TimeoutStartFailureMode": "abort",
    "TimeoutStopFailureMode": "abort",
    "Timestamping": "us",
    "TCPCongestion": "reno",
    "Type": "exec",
    "UtmpMode": "user",
}


# Directives that the spec's own keys set, or that no socket unit may have.
ELSEWHERE: set[str | tuple[str, str]] = {
    "Accept",
    "ExecStart",
    "FileDescriptorName",
    "Service",
    ("Socket", "Delegate"),
    ("Socket", "DelegateSubgroup"),
    ("Socket", "ManagedOOMMemoryPressure"),
    ("Socket", "ManagedOOMMemoryPressureDurationSec"),
    ("Socket", "ManagedOOMMemoryPressureLimit"),
    ("Socket", "ManagedOOMSwap"),
    ("Socket", "OOMRules"),
    ("Socket", "PrivatePIDs"),
}
# What else a directive needs, or systemd would refuse the unit or say something.
CONTEXT: dict[str, dict[str, dict[str, str]]] = {
    "RefreshOnReload": {"service": {"LoadCredential": "secret:/etc/hostname"}},
    "RuntimeRandomizedExtraSec": {"service": {"RuntimeMaxSec": "1h"}},
    "USBFunctionDescriptors": {"service": {"USBFunctionStrings": "/srv/strings"}},
    "USBFunctionStrings": {"service": {"USBFunctionDescriptors": "/srv/descriptors"}},
}
# Kind of socket → how to listen so; the first kind of a directive that is named here counts.
LISTEN = {
    "accept": {"ListenStream": "@{name}", "mode": "per-connection"},
    "ip": {"ListenStream": "127.0.0.1:8000"},
    "ipv4": {"ListenStream": "127.0.0.1:8000"},
    "ipv6": {"ListenStream": "[::1]:8000"},
    "tcp": {"ListenStream": "127.0.0.1:8000"},
    "udp": {"ListenDatagram": "127.0.0.1:8000"},
    "path": {"ListenStream": "/run/vocabulary/{name}"},
    "fifo": {"ListenFIFO": "/run/vocabulary/{name}"},
    "special": {"ListenSpecial": "/dev/null"},
    "mqueue": {"ListenMessageQueue": "/{name}"},
}


def elsewhere(section: str, name: str) -> bool:
    """Tell whether a spec cannot set a directive, or not in that section."""
    return not ELSEWHERE.isdisjoint({name, (section, name)})


def sample(directive: Directive) -> str:
    """Return a value of a directive that systemd accepts."""
    kind = directive.type.partition(":")[0]
    for key, table in ((directive.name, BY_NAME), (directive.type, BY_TYPE), (kind, BY_TYPE)):
        if key in table:
            return table[key]
    raise LookupError(f"no value for {directive.name}=, which is {directive.type}")


def specs(version: int) -> Iterator[tuple[Directive, dict[str, Any]]]:
    """Yield every documented directive that a version has, with a spec that sets it."""
    number = 0
    for section in directives.SECTIONS:
        for name in directives.names(section):
            directive = directives.lookup(section, name)
            assert directive is not None
            if elsewhere(section, name) or directive.type == "address":
                continue
            if directive.status != "documented" or directive.ignored(version):
                continue
            if directive.known(version):
                number += 1
                yield directive, spec(directive, f"vocabulary-{number}", version)


def spec(directive: Directive, name: str, version: int) -> dict[str, Any]:
    """Return a spec that sets one directive to an accepted value."""
    kinds = directive.kinds.split()
    listen = next((LISTEN[kind] for kind in kinds if kind in LISTEN), {"ListenStream": "@{name}"})
    socket: dict[str, Any] = {key: value.format(name=name) for key, value in listen.items()}
    tree: dict[str, Any] = {
        "name": name,
        "exec": "/bin/true",
        "hardening": "none",
        "systemd": version,
        "sockets": {"s": socket},
    }
    where = (
        socket if directive.section == "Socket" else tree.setdefault(directive.section.lower(), {})
    )
    where[directive.name] = sample(directive)
    for table, settings in CONTEXT.get(directive.name, {}).items():
        tree.setdefault(table, {}).update(settings)
    return tree
