"""How Sphinx makes the site: ``make site`` calls it on what build.py lays out."""

from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx

from activator.version import __version__

project = "activator"
author = "The activator authors"
project_copyright = f"2026, {author}"
release = version = __version__

extensions = ["myst_parser"]
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 4
# Options begin with two hyphens, and what is quoted is typed.
smartquotes = False
highlight_language = "none"

html_theme = "furo"
html_title = f"activator {__version__}"
html_copy_source = False
html_show_sphinx = False


def setup(app: Sphinx) -> None:
    """Show diagrams that pictures.py could not draw as the text that they are."""
    app.add_lexer("mermaid", TextLexer)
