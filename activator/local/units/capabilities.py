"""The kernel's capabilities by name: capabilities(7), linux/capability.h."""

_NAMES = """
    chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap
    linux_immutable net_bind_service net_broadcast net_admin net_raw ipc_lock ipc_owner
    sys_module sys_rawio sys_chroot sys_ptrace sys_pacct sys_admin sys_boot sys_nice
    sys_resource sys_time sys_tty_config mknod lease audit_write audit_control setfcap
    mac_override mac_admin syslog wake_alarm block_suspend audit_read perfmon bpf
    checkpoint_restore
""".split()  # noqa: SIM905 - by their numbers
ALL = range(len(_NAMES))


def capability_number(name: str) -> int:
    """Return a capability's number.

    Args:
        name: Such as ``CAP_CHOWN``, in any case, or a number.

    Raises:
        ValueError: There is none.
    """
    folded = name.lower()
    if folded.isdecimal() and int(folded) in ALL:
        return int(folded)
    if not folded.startswith("cap_"):
        raise ValueError(name)
    return _NAMES.index(folded.removeprefix("cap_"))
