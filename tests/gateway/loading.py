"""What a process loads, asked in one of its own: whatever the tests have loaded is not in it."""

import subprocess
import sys


def loaded(modules: str, *asked: str, then: str = "") -> list[str]:
    """Return which of `asked` are loaded after `modules` (names with commas between) were, and `then` was run."""
    program = f"import sys, {modules}\n{then}\nprint(*sorted({{*{asked!r}}} & {{*sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.split()
