"""What to say when memory has run out: who is at fault, in a line that needs little of it."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

NO_MEMORY = "no memory; a higher MemoryMax= or LimitAS= would help"
# What stands between a client's bytes and its handler, by the beginnings of their modules' names.
BETWEEN = (
    "activator.runtime.",
    "aiohttp.",
    "asyncio.",
    "h11.",
    "httptools.",
    "selectors",
    "uvicorn.",
    "uvloop.",
    "waitress.",
    "websockets.",
    "wsproto.",
)


def is_scarcity(error: BaseException) -> bool:
    """Tell whether memory ran out before, or after, anything of a handler's was called.

    Then there is no bug to show: a client has sent more than there is room for.
    """
    if not isinstance(error, MemoryError):
        return False
    frames = error.__traceback__
    while frames:
        if not _is_between(frames.tb_frame):
            return False
        frames = frames.tb_next
    return True


def _is_between(frame: "FrameType") -> bool:
    return str(frame.f_globals.get("__name__")).startswith(BETWEEN)
