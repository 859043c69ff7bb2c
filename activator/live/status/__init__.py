"""Show live sockets: what they listen on, what waits there, and how their services fare.

How the files build on each other: starts (from the journal), model (what is known of each
socket, as numbers and words), tables (as text), openmetrics (by the table figures.tsv).
"""
