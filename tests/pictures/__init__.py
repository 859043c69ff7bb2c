"""Pictures of terminals for README.md and docs/, made from what the commands really write.

How the files build on each other: scenes (what is typed, from scenes.toml), terminal (runs it and
keeps what is written), drawing (makes SVG of that, and reads its text back). ``make pictures`` runs
:mod:`tests.pictures.__main__`; tests tell when a picture is out of date.
"""
