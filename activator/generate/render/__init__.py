"""From a spec to the text of its units.

``render(spec)`` gives file names and texts. Templates decide how lines are laid out; what
the lines say is decided before, and each text is parsed again to see that it says just that.
"""

from activator.generate.render.text import Renderer, render, units

__all__ = ["Renderer", "render", "units"]
