"""From a spec to the text of its units.

May import: output, unitfile, common, errors.
"""
