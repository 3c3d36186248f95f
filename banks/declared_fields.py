"""The fields of a callback under the names its bank gives them: from a JSON body, a form body or the query."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from banks import strict_json
from banks.errors import Unreadable
from banks.form import read_pairs
from banks.records import RawRequest

Carrier = Literal["json", "form", "query"]
CARRIERS: tuple[Carrier, ...] = get_args(Carrier)
CONTENT_TYPES: Mapping[Carrier, str] = {
    "json": "application/json",
    "form": "application/x-www-form-urlencoded",
    "query": "",
}


@dataclass(frozen=True, slots=True)
class Fields:
    """What a callback says, by path: `amount`, or `payload.amount` where objects stand inside each other.

    A field that itself is called "payload.amount" goes before; whoever signs and whoever reads sees the same one.
    """

    tree: Mapping[str, Any]

    def value(self, path: str) -> Any:
        """Return what stands at `path`, None when nothing does."""
        if path in self.tree:
            return self.tree[path]
        found: Any = self.tree
        for name in path.split("."):
            if not isinstance(found, dict):
                return None
            found = found.get(name)
        return found

    def text(self, path: str) -> str:
        """Return the text or number at `path` exactly as it was sent, "" for nothing; else raise Unreadable."""
        return strict_json.written(self.value(path), path)


def read_fields(request: RawRequest, carrier: Carrier, max_bytes: int) -> Fields:
    """Read the part of `request` that carries the event; raise Unreadable naming the place."""
    if carrier == "json":
        return Fields(strict_json.read_object(request.body, max_bytes=max_bytes, exact_numbers=True))
    raw = request.query if carrier == "query" else request.body
    if len(raw) > max_bytes:
        raise Unreadable(f"expected at most {max_bytes} bytes, got {len(raw)}")
    tree = {}
    for position, pair in enumerate(read_pairs(raw), 1):
        try:
            tree[pair.name.decode("utf-8")] = pair.value.decode("utf-8")
        except UnicodeDecodeError:
            raise Unreadable("expected UTF-8", f"parameter {position}") from None
    return Fields(tree)
