"""Put needs into a spec; its comments and its order stay."""

from collections.abc import Iterable

from activator.common.extras import installing
from activator.errors import ActivatorError

try:
    import tomlkit
except ImportError:
    raise ActivatorError(
        "--write needs tomlkit, which keeps the spec's comments", installing("learn")
    ) from None


def with_needs(text: str, needs: Iterable[str]) -> str:
    """Return a spec's text with further needs in its list.

    Args:
        text: The spec, which has been read without an error.
        needs: What is added at the end of the list.
    """
    document = tomlkit.parse(text)
    named = document.setdefault("needs", tomlkit.array())
    for need in needs:
        named.append(need)
    return tomlkit.dumps(document)
