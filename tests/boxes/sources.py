"""The Debian mirror that this machine's own apt is set up with."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

APT = Path("/etc/apt")
# Names of Debian's own suites. The aliases (stable, ...) come last: other archives use them too.
CODENAMES = ("bookworm", "trixie", "forky", "duke", "sid", "bullseye")
ALIASES = ("stable", "testing", "unstable", "oldstable")


@dataclass(frozen=True)
class Source:
    """One archive: where it is, which suites are taken from it, what signs it."""

    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...]
    signed_by: str = ""

    @property
    def rank(self) -> tuple[bool, bool]:
        """Return a sort key: the most likely Debian mirror first."""
        return (
            not self.uri.rstrip("/").endswith("/debian"),
            not any(suite in CODENAMES for suite in self.suites),
        )

    def line(self, suite: str) -> str:
        """Return the one-line source of another suite on the same mirror."""
        option = f"[signed-by={self.signed_by}] " if self.signed_by else ""
        return f"deb {option}{self.uri} {suite} main"


def debian_source(apt: Path = APT) -> Source | None:
    """Find the mirror of Debian's main archive in apt's configuration.

    Args:
        apt: apt's directory of settings, with ``sources.list`` and ``sources.list.d/``.

    Returns:
        The best match; None when apt takes nothing from Debian's main archive.
    """
    matches = [
        source
        for source in read_sources(apt)
        if "main" in source.components
        and any(suite in (*CODENAMES, *ALIASES) for suite in source.suites)
    ]
    return min(matches, key=lambda source: source.rank, default=None)


def read_sources(apt: Path) -> Iterator[Source]:
    """Yield every binary archive of apt's configuration, in both of its formats."""
    parts = apt / "sources.list.d"
    for path in (apt / "sources.list", *sorted(parts.glob("*.list"))):
        if path.is_file():
            yield from read_lines(path.read_text())
    for path in sorted(parts.glob("*.sources")):
        yield from read_stanzas(path.read_text())


def read_lines(text: str) -> Iterator[Source]:
    """Yield the archives of the one-line format: ``deb [options] uri suite components``."""
    for line in text.splitlines():
        head, _, rest = line.partition("#")[0].strip().partition(" ")
        if head != "deb":
            continue
        signed_by = ""
        rest = rest.strip()
        if rest.startswith("["):
            options, _, rest = rest[1:].partition("]")
            signed_by = next(
                (o.removeprefix("signed-by=") for o in options.split() if "signed-by=" in o), ""
            )
        uri, suite, *components = rest.split()
        yield Source(uri, (suite,), tuple(components), signed_by)


def read_stanzas(text: str) -> Iterator[Source]:
    """Yield the archives of the deb822 format, one for each URI of a stanza."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    for stanza in "\n".join(lines).split("\n\n"):
        fields: dict[str, str] = {}
        name = ""
        for line in stanza.splitlines():
            if line[:1].isspace():
                fields[name] = f"{fields.get(name, '')}\n{line.strip()}"
            else:
                name, _, value = line.partition(":")
                name = name.lower()
                fields[name] = value.strip()
        if "deb" not in fields.get("types", "").split() or fields.get("enabled") == "no":
            continue
        signed_by = fields.get("signed-by", "")
        # A key written into the stanza has no file to name; apt's common keys must do then.
        path = signed_by if signed_by.startswith("/") else ""
        for uri in fields.get("uris", "").split():
            suites, components = fields.get("suites", ""), fields.get("components", "")
            yield Source(uri, tuple(suites.split()), tuple(components.split()), path)
