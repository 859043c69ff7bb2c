"""The local activator: run unit files without systemd, the way systemd would.

Three packages build on each other, one step a file: ``units`` (unit text → models),
``services`` (a model → processes, and the states they go through) and ``sockets`` (a model →
open sockets, which start services). Here is what joins them: what starts and stops when
(jobs, supervisor), a run as a whole (session), and what others see of it (report, status,
control). It reads the same files that systemd reads and never imports the runtime.
"""
