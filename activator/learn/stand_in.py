"""Units as a spec, so that they are judged as one is."""

from collections.abc import Iterable, Sequence

from activator.generate.specfile import Mode, Setting, Socket, Spec
from activator.generate.specfile.spec import Proxy
from activator.learn.service import Service
from activator.unitfile import quoting
from activator.unitfile.directives import NEWEST

# Where a program would be behind a proxy: it is alone with that.
_ANYWHERE = "127.0.0.1:1"


def stand_in(sockets: Sequence[str], services: Sequence[Service], addresses: Iterable[str]) -> Spec:
    """Return a spec that stands for units.

    Args:
        sockets: The names of the socket units.
        services: Those that are traced.
        addresses: Where the sockets listen.
    """
    settings = tuple(Setting("Socket", "ListenStream", address) for address in addresses)
    programs = dict.fromkeys(command.path for each in services for command in each.programs)
    is_alone = bool(services) and all(each.settings.on("PrivateNetwork") for each in services)
    return Spec(
        name=sockets[0].removesuffix(".socket").partition("@")[0],
        description="",
        mode=Mode.SHARED,
        command=" ; ".join(quoting.word(program, specifiers=False) for program in programs),
        handlers=(),
        sockets=(Socket("", Mode.SHARED, settings),),
        proxy=Proxy(_ANYWHERE, "", "accepts", 0, 0) if is_alone else None,
        systemd=NEWEST,
        source=services[0].files[0].name if services else "",
    )
