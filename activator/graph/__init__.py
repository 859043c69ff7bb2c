"""Draw sockets, the services they start, and what those need.

How the files build on each other: model (nodes and edges, from units), forms (text, Mermaid,
DOT, and SVG through Graphviz).
"""
