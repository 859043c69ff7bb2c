"""Turns what is there (units, inetd's and xinetd's lines, a command) into a spec.

May import check, generate, output, unitfile, common and errors. A source has a file that reads it
into :mod:`~activator.adopt.model`; :mod:`~activator.adopt.toml` makes a spec's text of that, and
:mod:`~activator.adopt.proving` reads it back. Quadlet's files have no reader yet: see
:mod:`~activator.adopt.sources`.
"""
