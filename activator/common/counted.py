"""Say how many there are of something."""


def counted(number: int, noun: str, verb: str = "") -> str:
    """Return a number with its noun, and verb, in the singular or plural.

    Args:
        number: How many there are.
        noun: The noun in the singular, of which the plural ends in s.
        verb: The verb in the plural, such as ``wait``.
    """
    one = number == 1
    words = f"{number} {noun}{'' if one else 's'}"
    return f"{words} {verb}{'s' if one else ''}" if verb else words
