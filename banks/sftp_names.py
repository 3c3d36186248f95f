"""Names on a bank's server: which of them to trust as a file's name, and how to show any of them safely."""

import unicodedata

from banks.shown import shown_name

_MAX_BYTES = 255


def fault_of(name: str) -> str:
    """Say why a remote name is not to be trusted, "" when it is fine."""
    try:
        length = len(name.encode())
    except UnicodeEncodeError:
        return "the name is not text"
    if name in ("", ".", "..") or not length:
        return "the name is empty or leads elsewhere"
    if "/" in name or "\\" in name:
        return "the name holds a path separator"
    if length > _MAX_BYTES:
        return f"the name has {length} bytes, at most {_MAX_BYTES} are taken"
    # Cf: invisible characters and those that turn the reading direction, so that "fdp.exe" reads as "exe.pdf"
    if any(unicodedata.category(character) in {"Cc", "Cf", "Zl", "Zp"} for character in name):
        return "the name holds control characters"
    return ""


def shown(name: str | bytes) -> str:
    """Return `name` safe for a log: at most 80 ASCII characters, long numbers and words shortened."""
    text = name.decode("utf-8", "backslashreplace") if isinstance(name, bytes) else name
    return shown_name(text)
