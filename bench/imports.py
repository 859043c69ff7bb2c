"""What taking descriptors costs beside `import systemd.daemon`, which it cannot do without.

Interpreters are started in turn, so that whatever else the machine does meets all alike; without
``site``, whose .pth files may load anything.
"""

import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import compare

ROUNDS = 25
# The bar for `import activator`; for what takes descriptors: ms more than systemd.daemon alone.
BAR = 1.25
MORE = 4.0
BASE = "import systemd.daemon"
USES = {
    "and use listen_fds": "import activator; activator.listen_fds",
    "and use listen_fds, notify, serve": (
        "import activator; activator.listen_fds; activator.notify; activator.serve"
    ),
    # Shown only: the whole command's modules.
    "activator serve, plain handler": (
        "import activator.__main__, activator.runtime.commands.serve;"
        "from activator.runtime.serving import engine, load;"
        "from activator.runtime.serving import single; import activator.runtime.listen"
    ),
}


def rows() -> Iterator[compare.Row]:
    """Yield the comparisons."""
    codes = [BASE, "import activator", *USES.values()]
    found: list[list[float]] = [[] for _ in codes]
    for turn in range(ROUNDS + 1):
        for code, column in zip(codes, found, strict=True):
            taken = measure(code)
            if turn:  # the first one fills the caches
                column.append(taken)
    base, bare, *uses = found
    yield compare.compared(f"import activator / {BASE}", bare, base, BAR)
    for name, taken in zip(USES, uses, strict=True):
        row = compare.compared(f"  {name} / the same", taken, base)
        # As a ratio, so that it moves with the machine no more than the others do.
        bar = (row.peer + MORE) / row.peer if name.startswith("and") else None
        yield row._replace(bar=bar)


def measure(code: str) -> float:
    """Run code in a new interpreter; return what the code takes: ms."""
    script = (
        "from time import perf_counter as now\n"
        f"began = now()\n{code}\n"
        "print((now() - began) * 1000)"
    )
    root = Path(__file__).parents[1]
    paths = [str(root), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    result = subprocess.run(
        [sys.executable, "-S", "-c", script],
        env={**compare.ENVIRONMENT, "PYTHONPATH": ":".join(paths)},
        check=True,
        capture_output=True,
        text=True,
    )
    return float(result.stdout)


if __name__ == "__main__":
    compare.main(rows)
