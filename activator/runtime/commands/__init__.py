"""The commands that services run, one file each, without click.

May import: the rest of the runtime. The command's table of options is read by its ``--help`` too.
"""
