"""The services of a run: their processes, and the states that these go through."""
