"""Style, script and font of the pages, held in memory and compressed once; the font comes from its installed package.

The address carries a digest of everything served, so that browsers keep what they have until something changes.
"""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from flask import Blueprint, Flask, Response, abort, request, url_for

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".ttf": "font/ttf",
}
_A_YEAR = "public, max-age=31536000, immutable"
_STATIC = Path(__file__).parent / "static"
FONT = "hanken-grotesk.ttf"


@dataclass(frozen=True, slots=True)
class Asset:
    """One file as it is served."""

    type: str
    plain: bytes
    packed: bytes


@cache
def load() -> Mapping[str, Asset]:
    """Return every asset by name, read once; raises FileNotFoundError when the font's package is missing."""
    found = {path.name: path.read_bytes() for path in sorted(_STATIC.iterdir()) if path.suffix in _TYPES}
    font = files("fontpkg_hanken_grotesk") / "files" / "HankenGrotesk[wght].ttf"
    found[FONT] = font.read_bytes()
    return {
        name: Asset(_TYPES[Path(name).suffix], plain, gzip.compress(plain, 9, mtime=0)) for name, plain in found.items()
    }


def blueprint() -> Blueprint:
    """Return the blueprint that serves /assets/<digest>/<name> and gives templates `asset_url(name)`."""
    assets = load()
    digest = hashlib.sha256(b"".join(asset.plain for asset in assets.values())).hexdigest()[:16]
    made = Blueprint("assets", __name__, url_prefix="/assets")

    def send(version: str, name: str) -> Response:
        asset = assets.get(name)
        if asset is None:
            abort(404)
        packed = request.accept_encodings["gzip"] > 0
        response = Response(asset.packed if packed else asset.plain, content_type=asset.type)
        if packed:
            response.content_encoding = "gzip"
        response.vary.add("Accept-Encoding")
        # An old page may still ask by an old digest: it gets today's file, but must not keep it under that address.
        response.headers["Cache-Control"] = _A_YEAR if version == digest else "no-cache"
        return response

    def asset_url(name: str) -> str:
        return url_for("assets.send", version=digest, name=name)

    def _offer(state: object) -> None:
        app: Flask = state.app  # type: ignore[attr-defined] # Flask's setup state has no public type
        app.jinja_env.globals["asset_url"] = asset_url

    made.add_url_rule("/<version>/<name>", "send", send)
    made.record_once(_offer)
    return made
