"""Draw the rooms and their arrows into docs/architecture.md, from the contracts in pyproject.toml.

``make docs`` runs it; a test tells when the page is out of date.
"""

import sys
import tomllib
from itertools import pairwise, product
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/architecture.md"
START, END = "<!-- picture: {} -->\n", "<!-- end -->\n"


def contracts() -> dict[str, dict[str, Any]]:
    """Return the contracts of the project by their identifiers."""
    tables = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return {each["id"]: each for each in tables["tool"]["importlinter"]["contracts"]}


def layers(contract: dict[str, Any]) -> list[tuple[list[str], bool]]:
    """Return the layers from the top down: their rooms, and whether those know each other."""
    found = []
    for layer in contract["layers"]:
        related = ":" in layer
        found.append(([name.strip() for name in layer.split(":" if related else "|")], related))
    return found


def picture(contract: dict[str, Any]) -> str:
    """Return a Mermaid flow chart: an arrow to each room next below."""
    ranks = {name: rank for rank, (names, _) in enumerate(layers(contract)) for name in names}
    parent = contract["containers"][0]
    closed = {
        (source.removeprefix(f"{parent}."), target.removeprefix(f"{parent}."))
        for each in contracts().values()
        if each["type"] == "forbidden"
        for source in each["source_modules"]
        for target in each["forbidden_modules"]
    }
    arrows = {
        (source, target)
        for source, target in product(ranks, repeat=2)
        if ranks[source] < ranks[target] and (source, target) not in closed
    }
    # An arrow that others lead around says nothing new.
    direct = {
        (source, target)
        for source, target in arrows
        if not any({(source, via), (via, target)} <= arrows for via in ranks)
    }
    lines = ["```mermaid", "flowchart TB"]
    for names, related in layers(contract):
        lines += [f"    {name}" for name in names]
        lines += [f"    {one} --- {other}" for one, other in pairwise(names) if related]
    lines += [f"    {source} --> {target}" for source, target in sorted(direct)]
    return "\n".join([*lines, "```"]) + "\n"


def sentence(contract: dict[str, Any]) -> str:
    """Return what a contract that is no picture says of its rooms."""
    if contract["type"] != "forbidden":
        return "so says a contract for all of the package.\n"
    importing, imported = (
        ", ".join(f"`{name.removeprefix('activator.')}`" for name in contract[f"{kind}_modules"])
        for kind in ("source", "forbidden")
    )
    return f"{importing} import none of {imported}.\n"


def fill(page: str) -> str:
    """Return the page with all its pictures as the contracts are today.

    Raises:
        ValueError: A picture has no end, or asks for a contract that does not exist.
    """
    for identifier, contract in contracts().items():
        start = START.format(identifier)
        if start not in page:
            continue
        before, _, rest = page.partition(start)
        after = rest[rest.index(END) :]
        draw = picture if contract["type"] == "layers" else sentence
        gap = "\n" if draw is picture else ""
        page = f"{before}{start}{contract['name']}:\n{gap}{draw(contract)}{after}"
    return page


def main() -> int:
    """Fill in the page where it stands."""
    PAGE.write_text(fill(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
