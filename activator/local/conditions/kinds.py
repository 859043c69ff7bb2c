"""The conditions that an ordinary process can answer: a table.

Source: systemd.unit(5), "Conditions and Asserts".
"""

from collections.abc import Callable

from activator.local.conditions import machine, paths, release

# Kind → whether it holds of a value; ValueError and OSError mean that it cannot be told.
KINDS: dict[str, Callable[[str], bool]] = {
    "PathExists": paths.exists,
    "PathExistsGlob": paths.matches,
    "PathIsDirectory": paths.is_directory,
    "PathIsSymbolicLink": paths.is_symlink,
    "PathIsMountPoint": paths.is_mount_point,
    "PathIsReadWrite": paths.is_writable,
    "PathIsSocket": paths.is_socket,
    "DirectoryNotEmpty": paths.is_directory_with_files,
    "FileNotEmpty": paths.is_file_with_text,
    "FileIsExecutable": paths.is_program,
    "Architecture": machine.architecture,
    "Capability": machine.capability,
    "CPUFeature": machine.cpu_feature,
    "CPUs": machine.cpus,
    "Environment": machine.environment,
    "FirstBoot": machine.first_boot,
    "Group": machine.group,
    "Host": machine.host,
    "KernelCommandLine": release.kernel_command_line,
    "KernelVersion": release.kernel_version,
    "Memory": machine.memory,
    "OSRelease": release.os_release,
    "User": machine.user,
    "Virtualization": release.virtualization,
}
