"""How long `vgllm --help` takes beyond the bare interpreter. Target: less than 0.3 s (median of 9, in one run).

Run it with: python tests/bench/bench_startup.py
"""

import statistics
import subprocess
import sys
import time

RUNS = 9
TARGET = 0.3
HELP = [sys.executable, "-c", "from vgcli.main import main; main()", "--help"]
NOTHING = [sys.executable, "-c", "pass"]


def seconds(command: list[str]) -> float:
    """Return the wall time of one run of `command`."""
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    """Alternate both commands, so that a busy moment of the machine hits both, and compare their medians."""
    seconds(HELP)  # once, for the files that Python compiles and the disk caches
    pairs = [(seconds(HELP), seconds(NOTHING)) for _ in range(RUNS)]
    shown, bare = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(f"vgllm --help    {shown:.3f} s (median of {RUNS})")
    print(f"python -c pass  {bare:.3f} s (median of {RUNS})")
    print(f"difference      {shown - bare:.3f} s (target: below {TARGET} s), ratio {shown / bare:.1f}")
    sys.exit(shown - bare >= TARGET)


if __name__ == "__main__":
    main()
