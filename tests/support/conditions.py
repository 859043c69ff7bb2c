"""Lines of Condition*= that systemd and the local activator are asked about in one place.

A line stands for the condition and for the assertion of its kind alike.
"""

# What is there to be asked about, made in a box before: a shell script.
PREPARED = r"""
mkdir -p /run/asked/full /run/asked/empty /run/asked/hidden /run/asked/mounted
touch /run/asked/file /run/asked/hidden/.file /run/asked/hidden/file~
echo text >/run/asked/full/text
echo '#!/bin/sh' >/run/asked/program; chmod 700 /run/asked/program
ln -sf full /run/asked/link; ln -sf nowhere /run/asked/dangling
mountpoint -q /run/asked/mounted || mount -t tmpfs -o ro none /run/asked/mounted
ln -sfn mounted /run/asked/to-mounted
mkfifo /run/asked/fifo 2>/dev/null
python3 -c "import socket; socket.socket(socket.AF_UNIX).bind('/run/asked/socket')" 2>/dev/null
:
"""
FORGOTTEN = "umount /run/asked/mounted; rm -rf /run/asked"
_PLACES = (
    *("full", "empty", "hidden", "file", "full/text", "program", "link", "dangling"),
    *("mounted", "to-mounted", "fifo", "socket", "none"),
)
_PATHS = [
    f"{kind}={sign}/run/asked/{place}"
    for kind in (
        *("PathExists", "PathIsDirectory", "PathIsSymbolicLink", "PathIsMountPoint"),
        *("PathIsReadWrite", "DirectoryNotEmpty", "FileNotEmpty", "FileIsExecutable"),
        "PathIsSocket",
    )
    for place in _PLACES
    for sign in ("", "!")
]
LINES = [
    *_PATHS,
    "PathExists=/run/asked/%%",
    "PathExists=%t/asked",
    "PathExists=|!/run/asked/none",
    "PathExistsGlob=/run/asked/f*",
    "PathExistsGlob=/run/asked/d*",
    "PathExistsGlob=/run/asked/z*",
    "PathExistsGlob=/run/asked/{no,fi}*",
    "PathExistsGlob=/run/asked/{no,ne}*",
    "PathExistsGlob=/run/asked/hidden/*",
    "PathExistsGlob=/run/asked/hidden/[.a]file",
    "PathExistsGlob=!/run/asked/z*",
    *(f"Architecture={name}" for name in ("native", "x86-64", "x86", "arm64", "!native", "z80")),
    *(f"Capability={name}" for name in ("CAP_CHOWN", "cap_setuid", "CAP_SYS_MODULE", "7", "CHOWN")),
    "Capability=!CAP_SYS_MODULE",
    "Capability=!CAP_NOTHING",
    *(f"CPUFeature={name}" for name in ("fpu", "sse2", "SSE2", "vme3", "lm", "!lm")),
    *(f"CPUs={text}" for text in ("1", ">=1", "> 500", "<500", "=500", "!=500", "many", "!many")),
    *(f"Memory={text}" for text in ("16M", ">=16M", "< 16M", "100T", "!100T", "<= 100T", "big")),
    *("Environment=PATH", "Environment=NOT_SET", "Environment=!NOT_SET", "Environment=PATH=x"),
    *("FirstBoot=yes", "FirstBoot=no", "FirstBoot=!yes", "FirstBoot=maybe"),
    *(f"User={name}" for name in ("root", "0", "daemon", "@system", "!@system", "nobody_at_all")),
    *(f"Group={name}" for name in ("root", "0", "daemon", "!daemon", "nobody_at_all", "77")),
    *("Host=box", "Host=BO*", "Host=other", "Host=!other", f"Host={'0' * 32}", "Host=%m"),
    *("KernelCommandLine=quiet", "KernelCommandLine=no_such_word", "KernelCommandLine=root"),
    "KernelCommandLine=!no_such_word=1",
    *(f"KernelVersion={text}" for text in ("*", "0.*", ">= 3", "> 3 < 100", "< 3", ">=3.10.0~rc1")),
    *(f"KernelVersion={text}" for text in ("=3", "!=3", "'>= 3' '<100'", "%v", "= %v", "!= %v")),
    *(f"OSRelease={text}" for text in ("ID=debian", "ID=other", "ID!=other", '"ID=debian"')),
    *(f"OSRelease={text}" for text in ("VERSION_ID>=11", "ID=debian NOT_THERE=x", "NOT_THERE=")),
    *(f"OSRelease=NOT_THERE{text}" for text in ("!=x", "!=", "<1", ">=0", "$=*", "!$=*", "$=x")),
    *(f"KernelVersion={text}" for text in (">3 <100", "> 3 <100", ">3 < 100", "> 3 '< 100'")),
    *(f"KernelVersion={text}" for text in (">", "6* 5* 4*", "==3", "> 3 > 100", "<>3", "$=*.*")),
    *(f"OSRelease={text}" for text in ("ID$=deb*", "ID!$=deb*", "VERSION_ID<11", "ID")),
    *(f"Virtualization={text}" for text in ("yes", "no", "container", "vm", "systemd-nspawn")),
    *(f"Virtualization={text}" for text in ("!container", "kvm", "lxc")),
]
# Lines of several conditions at once.
LISTS = [
    ("PathExists=|/run/asked/none", "PathExists=|/run/asked/file"),
    ("PathExists=|/run/asked/none", "User=|daemon"),
    ("PathExists=|/run/asked/file", "PathExists=/run/asked/none"),
    ("PathExists=|/run/asked/file", "PathExists=!/run/asked/none"),
    ("PathExists=/run/asked/none", "PathExists="),
    ("PathExists=/run/asked/none", "User="),
    ("PathExists=/run/asked/none", "PathExists=", "User=daemon"),
]
ALL = [*((line,) for line in LINES), *LISTS]
