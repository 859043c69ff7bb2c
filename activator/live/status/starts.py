"""How often services were started since the boot, from the journal."""

from collections import Counter
from collections.abc import Sequence

from activator.live.journal import rows, synced

# "Started" and "Failed to start" of systemd.journal-fields(7) and sd-messages.h.
_STARTED = "39f53479d3a045ac8e11786248231fbf"
_FAILED = "be02cf6855d2428ba40df7e93d022f03"


def starts(services: Sequence[str], *, user: bool) -> dict[str, int]:
    """Return how often each service was started since the boot, or failed to start.

    A service is missing if the journal does not tell of it, as to who may not read it.

    Args:
        services: The services' names.
        user: Whether they are of the calling user's manager.

    Raises:
        ActivatorError: journalctl does not answer.
    """
    if not services:
        return {}
    synced()
    field = "USER_UNIT" if user else "UNIT"
    argv = [
        *("journalctl", "--boot", "--output=json", f"--output-fields={field}"),
        *("--no-pager", "--quiet", f"MESSAGE_ID={_STARTED}", f"MESSAGE_ID={_FAILED}"),
        *(f"{field}={name}" for name in services),
    ]
    return Counter(row.get(field, "") for row in rows(argv))
