"""A handler for ``logging`` that suits a service: the journal with fields, else text on stderr."""

import logging

from activator.runtime.journal import is_there, send

# What stands for a level of logging, and for those above it, in syslog(3).
PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
DEBUG = 7
# Servers and libraries that tell each connection, or request, or what they are made of.
TALKATIVE = ("aiohttp.access", "asyncio", "uvicorn", "waitress", "websockets")


class JournalHandler(logging.StreamHandler):  # type: ignore[type-arg]  # it takes none at run time
    """Send log records to the journal if stderr is the journal's, and write them there if not.

    The fields are MESSAGE, PRIORITY, LOGGER, CODE_FILE, CODE_LINE, CODE_FUNC, THREAD_NAME and,
    with an exception, EXCEPTION, its class; those of the connection that a record is about (see
    :mod:`activator.runtime.journal`); and what is given in capitals, as in
    ``log.info("...", extra={"ORDER": 7})``.

    The runtime uses it for records that the application has configured no handler for. To
    configure it: ``logging.basicConfig(handlers=[activator.JournalHandler()], level="INFO")``.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Send the record, or write it."""
        if not (is_there() and self._send(record)):
            super().emit(record)

    def _send(self, record: logging.LogRecord) -> bool:
        fields: dict[str, object] = {
            "LOGGER": record.name,
            "CODE_FILE": record.pathname,
            "CODE_LINE": record.lineno,
            "CODE_FUNC": record.funcName,
            "THREAD_NAME": record.threadName,
        }
        if record.exc_info and record.exc_info[0]:
            fields["EXCEPTION"] = record.exc_info[0].__qualname__
        given = {name: value for name, value in vars(record).items() if _is_field(name)}
        priority = next((number for level, number in PRIORITIES if record.levelno >= level), DEBUG)
        try:
            return send(self.format(record), priority, fields | given)
        except Exception:  # noqa: BLE001 - as of any handler: logging never raises
            self.handleError(record)
            return True


def take_over(level: str) -> None:
    """Have records told that the application leaves to the last resort.

    Those are all, if it has configured no handler for them. They go to the journal, or to stderr
    as text; of those of servers' that tell each request, warnings alone.

    Args:
        level: Which of them: the name of a level of logging, and all above it.
    """
    root = logging.getLogger()
    if root.handlers:
        return
    if type(logging.lastResort) is logging._StderrHandler:  # type: ignore[attr-defined]  # noqa: SLF001
        logging.lastResort = JournalHandler()
    if root.level == logging.WARNING:  # as it is at first
        root.setLevel(level.upper())
        for name in TALKATIVE:
            logger = logging.getLogger(name)
            if logger.level == logging.NOTSET:
                logger.setLevel(max(root.level, logging.WARNING))


def _is_field(name: str) -> bool:
    """Tell whether a name can be one of the journal's; a leading "_" is for the trusted ones."""
    plain = name.replace("_", "")
    return plain.isascii() and plain.isalnum() and name == name.upper() and name[0].isalpha()
