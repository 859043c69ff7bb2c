"""The rules of check: each module's generators only yield problems.

May import: check's engine, unitfile, errors.
"""
