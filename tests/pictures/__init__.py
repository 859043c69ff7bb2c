"""Pictures of terminals for README.md and docs/, made from what the commands really write.

How the files build on each other: scenes (what is typed, from scenes.toml), terminal (runs it and
keeps what is written), making (plays a scene here or in a box), drawing (makes SVG of what was
written, and reads its text back); graphs is the picture of ``activator graph``. ``make pictures``
runs :mod:`tests.pictures.__main__`; tests tell when a picture is out of date.
"""
