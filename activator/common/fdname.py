"""What may be the name of a passed descriptor: sd_listen_fds(3), FileDescriptorName=."""

LONGEST = 255  # FDNAME_MAX
# The same for those who cannot call :func:`is_fdname`, such as a JSON schema; without the length.
PATTERN = r"[\x20-\x39\x3b-\x7e]+"
RULE = f"1 to {LONGEST} printable ASCII characters, without a colon"


def is_fdname(name: str) -> bool:
    """Tell whether a descriptor may be called so."""
    return 0 < len(name) <= LONGEST and name.isascii() and name.isprintable() and ":" not in name
