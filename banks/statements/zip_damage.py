"""What reading a damaged zip raises: one list for every place that opens one, as a kind left out escapes as a crash."""

import lzma
import zipfile
import zlib

ZIP_DAMAGE = (
    zipfile.BadZipFile,
    NotImplementedError,
    EOFError,
    zlib.error,
    lzma.LZMAError,
    ValueError,
    OSError,
)
"""BadZipFile is only what zipfile itself finds; the rest come from its unpackers and from the fields that it trusts."""
