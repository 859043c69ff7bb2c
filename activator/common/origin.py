"""Which spec a unit file was made from: what its fingerprint says, whether it was edited or not."""

import re

# At the end of the comment that the file begins with; see activator.output.seal.
SEAL = r"(?m)^# activator: name=(\S+) sha256=([0-9a-f]{64})$"


def found(text: str) -> "re.Match[str] | None":
    """Return where a text's fingerprint stands, with the spec's name and the digest."""
    return re.compile(SEAL).search(text, 0, head(text))


def name_of(text: str) -> str | None:
    """Return the spec's name that a text carries, intact or not; None if it carries none."""
    seal = found(text)
    return None if seal is None else seal[1]


def head(text: str) -> int:
    """Return where the comment at a text's beginning ends."""
    end = 0
    while text.startswith("#", end) and (line := text.find("\n", end)) >= 0:
        end = line + 1
    return end
