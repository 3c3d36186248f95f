"""How much memory the process that asks holds and has held at most, in KiB, as Linux counts it.

Not `ru_maxrss`: that one starts from the process which started this one, and never forgets.
"""

import re
from pathlib import Path


def forget_peak() -> int:
    """Begin the peak anew; return what the process holds now."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return _figure("VmRSS")


def peak() -> int:
    """Return the most memory held since the process began its program, or since `forget_peak`."""
    return _figure("VmHWM")


def _figure(name: str) -> int:
    found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    assert found, f"expected {name} among what Linux tells of a process"
    return int(found[1])
