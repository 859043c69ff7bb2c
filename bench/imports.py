"""What the runtime's import costs over ``import systemd.daemon``, which it cannot do without.

Run it as ``python bench/imports.py``. Interpreters are started in turn, so that whatever else the
machine does meets all candidates alike; without ``site``, whose .pth files may load
anything. The bar: taking descriptors costs at most 4 ms more than systemd.daemon alone.
"""

import argparse
import os
import statistics
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

BAR = 4.0  # ms
BASE = "import systemd.daemon"
CANDIDATES = {
    BASE: BASE,
    "import activator": "import activator",
    "  and use listen_fds": "import activator; activator.listen_fds",
    "  and use listen_fds, notify, serve": (
        "import activator; activator.listen_fds; activator.notify; activator.serve"
    ),
    "activator serve, plain handler": (
        "import activator.__main__, activator.serving.command;"
        "from activator.serving import engine, load, single; import activator.listen"
    ),
}
# Shown only: the whole command's modules, which have no bar.
UNJUDGED = frozenset({"activator serve, plain handler"})


def main() -> int:
    """Measure all candidates and print a table; return 1 if the bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("-n", type=int, default=25, help="how often to start each (default: 25)")
    rounds: int = parser.parse_args().n
    whole: dict[str, list[float]] = {name: [] for name in CANDIDATES}
    inside: dict[str, list[float]] = {name: [] for name in CANDIDATES}
    for turn in range(rounds + 1):
        for name, code in CANDIDATES.items():
            process, imports = measure(code)
            if turn:  # the first one fills the caches
                whole[name].append(process)
                inside[name].append(imports)
    print(f"median of {rounds}, in ms{'':19}whole process   import   over base   ratio")
    missed = False
    for name in CANDIDATES:
        process, imports = statistics.median(whole[name]), statistics.median(inside[name])
        # Of pairs measured one after the other, so that a slow moment counts for both.
        over = statistics.median(map(float.__sub__, inside[name], inside[BASE]))
        ratio = statistics.median(map(float.__truediv__, inside[name], inside[BASE]))
        print(f"{name:38}{process:15.1f}{imports:9.2f}{over:+12.2f}{ratio:8.2f}")
        missed = missed or (over > BAR and name not in UNJUDGED)
    print(f"the bar for the first four is +{BAR:.0f} ms: {'missed' if missed else 'met'}")
    return missed


def measure(code: str) -> tuple[float, float]:
    """Run code in a new interpreter; return the whole process's and the code's own ms."""
    script = (
        "from time import perf_counter as now\n"
        f"began = now()\n{code}\n"
        "print((now() - began) * 1000)"
    )
    root = Path(__file__).parents[1]
    paths = [str(root), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    began = time.perf_counter()
    result = subprocess.run(
        [sys.executable, "-S", "-c", script],
        env={**os.environ, "PYTHONPATH": ":".join(paths)},
        check=True,
        capture_output=True,
        text=True,
    )
    return (time.perf_counter() - began) * 1000, float(result.stdout)


if __name__ == "__main__":
    sys.exit(main())
