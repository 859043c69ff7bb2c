"""How Sphinx makes the site and the manual pages of what build.py has laid out."""

import sys
from pathlib import Path

from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx

from activator.version import __version__

sys.path.insert(0, str(Path(__file__).parent))
import manual

project = "activator"
author = "The activator authors"
project_copyright = f"2026, {author}"
version = f"activator {__version__}"
release = __version__

extensions = ["manual", "myst_parser"]
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 4
# Options begin with two hyphens, and what is quoted is typed.
smartquotes = False
highlight_language = "none"

html_theme = "furo"
html_title = f"activator {__version__}"
html_copy_source = False
html_show_sphinx = False

man_pages = manual.man_pages()
# Manual pages have no date, as systemd's have none: they change only with their text.
today = " "


def setup(app: Sphinx) -> None:
    """Show diagrams that pictures.py could not draw as the text that they are."""
    app.add_lexer("mermaid", TextLexer)
