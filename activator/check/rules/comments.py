"""Rules about the comments that silence rules."""

from collections.abc import Iterator

from activator.check.silenced import Mark, marks
from activator.check.units import Problem, Unit, World
from activator.errors import UsageError


def ignored_without_reason(unit: Unit, _: World) -> Iterator[Problem]:
    """Find comments that silence a rule, but do not say why.

    The next reader has to know whether the reason still holds.

    Bad::

        # echo.service
        # activator: ignore=ACT504
        [Service]
        ExecStart=/usr/bin/gunicorn web:app
        TimeoutStopSec=5

    Good::

        # echo.service
        # activator: ignore=ACT504 no request takes longer than 2 s
        [Service]
        ExecStart=/usr/bin/gunicorn web:app
        TimeoutStopSec=5
    """
    for mark in marks(unit):
        if not mark.reason:
            message = "the comment does not say why the rule is silenced"
            yield Problem(message, "write the reason after the rule", place=(mark.file, mark.line))


def ignored_unknown(unit: Unit, _: World) -> Iterator[Problem]:
    """Find comments that are to silence a rule which does not exist.

    Bad::

        # echo.service
        # activator: ignore=ACT999 not for us
        [Service]
        ExecStart=/usr/bin/echo-server

    Good::

        # echo.service
        # activator: ignore=ACT504 no request takes longer than 2 s
        [Service]
        ExecStart=/usr/bin/gunicorn web:app
        TimeoutStopSec=5
    """
    from activator.check.registry import named  # noqa: PLC0415 - the rules' table names this module

    for mark in marks(unit):
        for word in mark.words:
            try:
                named(word)
            except UsageError as error:
                yield Problem(error.message, error.hint, place=(mark.file, mark.line))


def ignored_in_vain(mark: Mark, world: World) -> Iterator[Problem]:
    """Find comments that silence a rule which finds nothing any more.

    Bad::

        # echo.service
        # activator: ignore=ACT504 no request takes longer than 2 s
        [Service]
        ExecStart=/usr/bin/gunicorn web:app

    Good::

        # echo.service
        [Service]
        ExecStart=/usr/bin/gunicorn web:app
    """
    del world
    message = f"the comment silences nothing: {', '.join(mark.words).upper()} finds nothing here"
    yield Problem(message, "remove the comment", place=(mark.file, mark.line))
