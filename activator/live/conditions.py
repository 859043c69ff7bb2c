"""Which conditions of a unit were not met, as systemd found them at its last start.

systemctl shows them as unprintable, so busctl(1) is asked. Source: org.freedesktop.systemd1(5).
"""

import json

from activator.live.call import call

_MANAGER = "org.freedesktop.systemd1"


def unmet(name: str, *, user: bool) -> list[str]:
    """Return a unit's conditions and assertions that failed, as its file has them.

    Raises:
        ActivatorError: The manager does not answer.
    """
    return [
        f"{kind}={'|' * trigger}{'!' * negate}{value}"
        for property_name in ("Conditions", "Asserts")
        for kind, trigger, negate, value, state in _asked(name, property_name, user=user)
        if state < 0
    ]


def _asked(name: str, property_name: str, *, user: bool) -> list[tuple[str, bool, bool, str, int]]:
    path = "".join(
        letter if letter.isascii() and letter.isalnum() else f"_{ord(letter):02x}"
        for letter in name
    )
    done = call(
        [
            *("busctl", *(["--user"] if user else []), "--json=short", "get-property", _MANAGER),
            *(f"/org/freedesktop/systemd1/unit/{path}", f"{_MANAGER}.Unit", property_name),
        ]
    )
    if done is None or done.returncode:
        return []
    return [tuple(row) for row in json.loads(done.stdout)["data"]]
