"""Change this machine, or make a package: install and uninstall, debian/.

May import: generate, output, live, unitfile, common, errors.
"""
