"""Draw sockets, the services they start, and what those need.

How the files build on each other: edges (what a graph holds, from units), forms (text and
Mermaid), picture (DOT, and SVG through Graphviz; how things look is in looks.tsv).
"""
