"""What a path of URLs is that can be compared with requests as it stands."""

# A query, a fragment, and what would be encoded.
_NO_PART = frozenset("?#% ")


def is_url_path(text: str) -> bool:
    """Tell whether a text is a path, as /health, that stands in a request as it is."""
    plain = text.isascii() and text.isprintable() and _NO_PART.isdisjoint(text)
    return plain and text.startswith("/")
