"""Say what a process was passed: ``activator inspect``.

options     which options are in force on a socket
backlog     what waits on a descriptor, and how much can
facts       all of it, as plain values
command     the command line and the tables
"""
