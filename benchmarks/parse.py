"""Every file format in one run: camt.053, MT940, XLSX and CSV, each against its peers and limits.

Prints one JSON object, a key a format; each format is measured by a process of its own (`benchmarks.parse_camt`,
`.parse_mt940`, `.parse_tables`, which say what is compared and how), one after the other.
"""

import json
import subprocess
import sys

FORMATS = ("camt", "mt940", "tables")


def main() -> None:
    figures = {}
    for name in FORMATS:
        command = [sys.executable, "-m", f"benchmarks.parse_{name}"]
        figures[name] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    print(json.dumps(figures, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
