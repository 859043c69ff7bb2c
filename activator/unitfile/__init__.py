"""What a unit may say: facts and grammar, with no look at this machine.

One reader and one judge of values, for everybody. May import: common, errors.
"""
