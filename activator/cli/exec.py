"""``activator exec`` as click sees it: for ``--help`` and completion only."""

from activator.cli.twin import Twin
from activator.runtime.commands.exec import OPTIONS

HELP = """Run CMD with the passed descriptors where it wants them, for ExecStart=.

It is for programs that know nothing of names. {fd:NAME} in an argument or in a value of --env
becomes the number of the descriptor of that name (FileDescriptorName=); of several it is
{fd:NAME:0} and so on, or all of them in {fds:NAME:,}, separated by what is after the name.
CMD gets those that are named so, or by --map or --listen-fds, and the rest is closed; if none is
named, it gets all by LISTEN_FDS, with LISTEN_PID and LISTEN_PIDFDID put right where a wrapper
has forked.

\b
Examples:
  activator exec -- uvicorn --fd {fd:http} shop:app
  activator exec --listen-fds http -- gunicorn shop:app
  activator exec --env 'NGINX={fds:http:;};' -- nginx -g 'daemon off;'
  activator exec --map http=5 --listen-fds admin -- /usr/bin/shop
"""

command = Twin("exec", "activator.runtime.commands.exec", HELP, OPTIONS, "CMD ARG...")
