"""`make bench`: each figure beside its peer in the same run, as a table and in build/bench.json.

python -m tests.benchmarks [bus|dsp|edge|modbus|run|spool ...]
"""

import sys
import tempfile
from pathlib import Path

from tests.benchmarks import bus, dsp, edge, modbus, runs, spool
from tests.benchmarks.figures import Figure, table, write

BENCHMARKS = {
    "bus": bus.measure,
    "dsp": dsp.measure,
    "edge": edge.measure,
    "modbus": modbus.measure,
    "run": runs.measure,
    "spool": spool.measure,
}


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        sys.stderr.write(f"no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}\n")
        return 2
    figures: list[Figure] = []
    for name in names or BENCHMARKS:
        sys.stderr.write(f"measuring {name} ...\n")
        with tempfile.TemporaryDirectory(prefix="hutong-bench-") as folder:
            figures += BENCHMARKS[name](Path(folder))
    sys.stdout.write(table(figures) + "\n")
    write(figures, Path("build/bench.json"))
    return 0  # a goal that does not hold is reported, not hidden in an exit code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
