"""Learn what a service needs, by running it once under strace(1) while a client uses it.

May import: check, live, local, generate, common. How the files build on each other: trace (lines of
strace as calls), following (the traces of all processes as they come), judge (calls as needs, by
the table calls.tsv), student (from the traces to a lesson), service (a service as its files have
it), stand_in (units as a spec, to be judged), sandbox (which of a unit's lines forbid what was
done), drop_in (what puts strace before the commands, and takes the sandbox off), client (who uses
the service), local_run (on the local activator), on_system (under the systemd that runs).
Beside them: directories (of a service's data), writing (needs into a spec).
"""

from activator.learn.judge import Evidence
from activator.learn.lesson import Lesson

__all__ = ["Evidence", "Lesson"]
