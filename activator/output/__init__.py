"""Write files whole, with safe modes, and never over another's.

May import: common, errors.
"""
