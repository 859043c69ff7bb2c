"""Manual pages, made by Sphinx from pages of the site: which they are, and how they differ.

A manual page has a section for what stands above the first heading, lists in place of tables,
which fit any width, and names other pages at its end; pictures and links it has none.
"""

from collections.abc import Iterator
from typing import Any

from commands import pages, summary
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.writers.manpage import ManualPageTranslator

# Manual page → the page of docs/ that it is made from, and what it is about in a line.
DOCUMENTS = {
    "activator.toml.5": ("spec", "the spec that units are made from"),
    "activator-needs.7": ("hardening", "what a hardened service may do nevertheless"),
    "activator-runtime.7": ("runtime", "what runs inside a socket-activated service"),
    "activator-descriptors.7": ("descriptors", "passed descriptors, by kind and by name"),
    "activator-local.7": ("local", "unit files that run without systemd"),
    "activator-rules.7": ("rules", "what activator check finds"),
    "activator-testing.7": ("testing", "the pytest plugin"),
}
# The pages of others that each page names.
OTHERS = ("systemd.socket.5", "systemd.service.5")
# What heads the column that comes first in a list; else it is the last one.
_SAYING = ("meaning", "opens", "finds")


def man_pages() -> list[tuple[str, str, str, str, int]]:
    """Return the manual pages as Sphinx wants to have them told."""
    made = [(f"commands/{name}", name, summary(name), "", 1) for name, _ in pages()]
    for page, (source, what) in DOCUMENTS.items():
        name, _, section = page.rpartition(".")
        made.append((f"docs/{source}", name, what, "", int(section)))
    return made


class ManualPage(SphinxPostTransform):
    """Make a manual page of a page of the site."""

    # After links are resolved.
    default_priority = 900
    builders = ("man",)

    def run(self, **_: Any) -> None:
        """Change the page in place."""
        for node in [*self.document.findall(nodes.image), *self.document.findall(nodes.comment)]:
            node.parent.remove(node)
        for node in list(self.document.findall(nodes.reference)):
            node.replace_self(node.children)
        for table in list(self.document.findall(nodes.table)):
            table.replace_self(_list(table))
        page = next(iter(self.document.findall(nodes.section)))
        _describe(page)
        page += _see_also(self.env.docname)


def _describe(page: nodes.section) -> None:
    """Give what stands before the first section a section; a command's page says it as NAME."""
    title, *body = page.children
    sections = [node for node in body if isinstance(node, nodes.section)]
    above = body[: body.index(sections[0])]
    page.children = [title]
    if not sections[0].astext().startswith("Synopsis"):
        page += nodes.section("", nodes.title(text="Description"), *above, ids=["description"])
    page += sections


def _see_also(docname: str) -> nodes.section:
    """Return the section that names all other pages that are not about one command."""
    named = [] if docname == "commands/activator" else ["activator.1"]
    named += [page for page, (source, _) in DOCUMENTS.items() if docname != f"docs/{source}"]
    paragraph = nodes.paragraph()
    for page in (*named, *OTHERS):
        name, _, number = page.rpartition(".")
        paragraph += [nodes.strong(text=name), nodes.Text(f"({number}), ")]
    paragraph[-1] = nodes.Text(f"({number})")
    return nodes.section("", nodes.title(text="See also"), paragraph, ids=["see-also"])


def _list(table: nodes.table) -> nodes.definition_list:
    """Return a table as a list of terms and their meanings."""
    (head,) = table.findall(nodes.thead)
    (body,) = table.findall(nodes.tbody)
    _, *headings = (cell.astext() for cell in head[0])
    saying = next((name for name in headings if name.lower() in _SAYING), headings[-1])
    made = nodes.definition_list()
    for row in body:
        term, *cells = ([*cell.findall(nodes.paragraph)] for cell in row)
        told = dict(zip(headings, cells, strict=True))
        meaning = nodes.paragraph("", "", *_sentences(saying, told))
        made += nodes.definition_list_item(
            "", nodes.term("", "", *_inline(term)), nodes.definition("", meaning)
        )
    return made


def _sentences(saying: str, told: dict[str, list[nodes.paragraph]]) -> Iterator[nodes.Node]:
    """Yield what a row says, and then what its other columns have, each with their name."""
    before = ""
    for name, cell in sorted(told.items(), key=lambda column: column[0] != saying):
        inline = _inline(cell)
        if not inline:
            continue
        if name != saying:
            yield nodes.Text(f"{before}{name}: ")
        elif isinstance(inline[0], nodes.Text):
            inline[0] = nodes.Text(inline[0][:1].upper() + inline[0][1:])
        yield from inline
        text = "".join(node.astext() for node in inline)
        before = " " if text.endswith(".") else ". "
    yield nodes.Text(before.rstrip())


def _inline(cell: list[nodes.paragraph]) -> list[nodes.Node]:
    return [node for paragraph in cell for node in paragraph.children]


class Translator(ManualPageTranslator):
    """Writes pages whose words stay whole: options and names of pages are copied from them."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        # The section that tells of it is named otherwise from one docutils to the next.
        self._docinfo["copyright"] = ""

    def header(self) -> str:
        """Return the head, with no word parted and no line filled with blanks after it.

        After an example, groff goes back to what the register says.
        """
        return f"{super().header()}.nr HY 0\n.nh\n.ad l\n"


def setup(app: Sphinx) -> None:
    """Have Sphinx make manual pages so."""
    app.add_post_transform(ManualPage)
    app.set_translator("man", Translator)
