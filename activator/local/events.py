"""What happens during a run, as values for whoever shows it."""

from typing import NamedTuple

from activator.unitfile.address import Address


class Event(NamedTuple):
    """One thing that happened.

    Attributes:
        kind: What happened:

            * ``listening``: a socket is open (address);
            * ``open``: all sockets of the run are open;
            * ``traffic``: the first client, or any data, has arrived at a socket that nobody
              served (address; text: the client, for Accept=yes);
            * ``started``: a process runs (pid; text: the client, for Accept=yes);
            * ``ready``: it said READY=1 (pid);
            * ``status``: it said STATUS= (pid, text);
            * ``output``: it wrote a line (pid, text);
            * ``ended``: it has ended (pid, status, text: how, for people);
            * ``reloaded``: it said READY=1 after RELOADING=1, or ExecReload= is done (pid);
            * ``restarting``: Restart= starts it again (text: in what time);
            * ``refused``: a connection was turned away (text: the client and why);
            * ``failed``: a socket or a start has failed (text: why, and what to do);
            * ``broken``: a service has failed at its start, and the run ends with it;
            * ``note``: something does not work as the unit says, without harm (text);
            * ``stopping``: the run is being stopped;
            * ``stopped``: everything has ended.
        unit: The unit's name, with its instance; empty for the whole run.
        text: See the kinds.
        pid: The process, 0 if there is none.
        status: The exit status, negative for a signal; None if there is none.
        address: Where, None if nowhere.
        fdname: What the service finds the socket called that is open there.
    """

    kind: str
    unit: str = ""
    text: str = ""
    pid: int = 0
    status: int | None = None
    address: Address | None = None
    fdname: str = ""
