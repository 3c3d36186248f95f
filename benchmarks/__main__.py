"""Runs every benchmark, one after the other, each in a process of its own."""

import subprocess
import sys
from pathlib import Path

for path in sorted(Path(__file__).parent.glob("*.py")):
    if path.stem not in (
        "__init__",
        "__main__",
        "http_load",
        "pages_books",
        "reconcile_books",
        "reconcile_peers",
    ) and not path.stem.startswith("parse_"):
        print(f"benchmarks.{path.stem}", flush=True)
        subprocess.run([sys.executable, "-m", f"benchmarks.{path.stem}"], check=True)
