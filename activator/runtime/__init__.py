"""Run inside a service: take what systemd passed, serve it, and say how it goes.

May import: common, errors, notify, fdstore, version. Never click, jinja2, dataclasses, typing,
logging, subprocess nor a tool; a test holds that.
"""
