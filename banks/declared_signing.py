"""What a declared signature covers, by which algorithm, and where it stands in a callback or in our answer to it."""

import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Literal, NamedTuple
from urllib.parse import quote_plus

from banks.declared_fields import Fields
from banks.errors import Misconfigured, Unreadable
from banks.key_pairs import EcdsaP256, Ed25519, Encoding, KeyPair, Rsa, decode, encode
from banks.profile import Secrets
from banks.signatures import Hmac, Scheme, live_keys

_VISIBLE = re.compile("[ -~]*")
_PATH = re.compile(r"[^\s:.$]{1,64}(?:\.[^\s:.$]{1,64}){0,7}")
_HEADER = re.compile("[A-Za-z0-9-]{1,64}")
IN_LABELS = frozenset("=&")
"""What no name may hold that stands as a label in front of its value."""
SECRET_NAME = re.compile("[a-z][a-z0-9_]{0,31}")


@dataclass(frozen=True, slots=True)
class SecretInText:
    """A plain hash over a text in which the secret itself stands: weak, and so never a bank's only proof."""

    digest: Literal["md5", "sha256"]
    encoding: Encoding

    def sign(self, text: bytes, key: str) -> str:  # noqa: ARG002 - the key stands in the text
        """Return the hash of `text`."""
        # Not our choice: some banks sign so. A declaration with it needs the sender's address or certificate beside it.
        return encode(hashlib.new(self.digest, text, usedforsecurity=False).digest(), self.encoding)

    def match(self, text: bytes, given: str, keys: Sequence[str]) -> int | None:
        """Return 0 when `given` is the hash of `text`, else None."""
        arrived = decode(given, self.encoding)
        expected = decode(self.sign(text, keys[0]), self.encoding)
        return 0 if arrived and expected and hmac.compare_digest(arrived, expected) else None


ALGORITHMS: Mapping[str, Callable[[Encoding], Scheme]] = {
    "hmac-sha256": lambda encoding: Hmac("sha256", encoding),
    "hmac-sha512": lambda encoding: Hmac("sha512", encoding),
    "hmac-sha1": lambda encoding: Hmac("sha1", encoding),
    "rsa-sha256": lambda encoding: KeyPair(Rsa("pkcs1v15"), encoding),
    "rsa-pss-sha256": lambda encoding: KeyPair(Rsa("pss"), encoding),
    "ecdsa-p256-sha256": lambda encoding: KeyPair(EcdsaP256(), encoding),
    "ecdsa-p256-sha256-raw": lambda encoding: KeyPair(EcdsaP256(raw=True), encoding),
    "ed25519": lambda encoding: KeyPair(Ed25519(), encoding),
    "md5-with-secret": lambda encoding: SecretInText("md5", encoding),
    "sha256-with-secret": lambda encoding: SecretInText("sha256", encoding),
}
"""Algorithm by the name that a declaration calls it; those that end in "-with-secret" are weak."""


class Part(NamedTuple):
    """One part of the signed text: a field, a header, a secret, a fixed text, or the whole raw body."""

    kind: Literal["field", "header", "secret", "text", "raw"]
    name: str

    @property
    def place(self) -> str:
        """Where a person finds it."""
        return self.name if self.kind == "field" else f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Said:
    """What a signed text is put together from: fields, headers (names in small letters) and the body as it was sent."""

    fields: Fields
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def text(self, place: Part) -> str:
        """Return what stands at `place`, "" for nothing; raise Unreadable for what is no text."""
        if place.kind == "field":
            return self.fields.text(place.name)
        value = self.headers.get(place.name, "")
        if not _VISIBLE.fullmatch(value):
            raise Unreadable("expected visible ASCII characters", f"header {place.name}")
        return value


@dataclass(frozen=True, slots=True)
class SignedText:
    """Which text is signed: `covers` in this order, or with `every_field` all top-level fields by name.

    `separator` stands between parts; `named` writes a field as name=value, `escaped` form-encodes it; `skip_empty`
    leaves out a part without a value. `left_out` are the fields that `every_field` passes over.
    """

    covers: tuple[Part, ...] = ()
    every_field: bool = False
    left_out: frozenset[str] = frozenset()
    separator: str = ""
    named: bool = False
    escaped: bool = False
    skip_empty: bool = False

    def whole_body(self) -> bool:
        """Tell whether the raw body is covered, and with it every field."""
        return any(part.kind == "raw" for part in self.covers)

    def holds(self, place: Part) -> bool:
        """Tell whether what stands at `place` is signed."""
        if place.kind == "field" and self.every_field:
            # A field inside an object is no field of the outermost level, whatever stands around it.
            return "." not in place.name and place.name not in self.left_out
        return place in self.covers or (place.kind == "field" and self.whole_body())

    def splits_one_way(self) -> bool:
        """Tell whether the text can come from these values only: otherwise neighbours could trade characters."""
        several = self.every_field or len([part for part in self.covers if part.kind in ("field", "header")]) > 1
        labels = self._labels_all() and bool(self.separator or not self.skip_empty)
        return not several or labels or bool(self.separator and not self.skip_empty)

    def secrets(self) -> tuple[str, ...]:
        """Names of the secrets that stand in the text itself."""
        return tuple(part.name for part in self.covers if part.kind == "secret")

    def values(self, said: Said) -> list[tuple[str, str]]:
        """Return what the text says, as (name, value) of each signed field: the content that the signature proves."""
        return [(part.name, said.text(part)) for part in self._parts(said) if part.kind == "field"]

    def texts(self, said: Said, secrets: Secrets) -> Iterator[bytes]:
        """Yield the signed text, once per choice of live keys where secrets stand in it; raise Unreadable."""
        names = self.secrets()
        for keys in product(*(live_keys(secrets, name) for name in names)):
            yield self._text(said, dict(zip(names, keys, strict=True)))

    def bare(self, said: Said) -> bytes:
        """Return the signed text without the secrets in it; raise Unreadable."""
        return self._text(said, dict.fromkeys(self.secrets(), ""))

    def _labels_all(self) -> bool:
        """Tell whether each value stands behind its name; a header's never does."""
        return self.named and all(part.kind != "header" for part in self.covers)

    def _parts(self, said: Said) -> Iterable[Part]:
        if not self.every_field:
            return self.covers
        return [Part("field", name) for name in sorted(said.fields.tree) if name not in self.left_out]

    def check_one_reading(self, said: Said) -> None:
        """Raise Unreadable when the signed text could also come from other values, cut at another place.

        Such a text proves its sender; what it says is for a person to decide.
        """
        parts = [part for part in self._parts(said) if part.kind in ("field", "header")]
        if self.every_field:
            bounds = [self.separator]
        elif self._labels_all():
            bounds = [f"{self.separator}{part.name}=" for part in parts]
        else:
            bounds = [self.separator] if self.separator else []
        touching = self.separator if bounds == [self.separator] and _overlaps_itself(self.separator) else ""
        for part in parts:
            told = [self._written(part, said), *([part.name] if self.every_field else [])]
            if any(bound in written for bound in bounds for written in told):
                raise Unreadable(f"expected no {bounds[0]!a} inside, which could be read in two ways", part.place)
            if self.every_field and not IN_LABELS.isdisjoint(part.name):
                raise Unreadable("expected no = or & in a field's name, which could be read in two ways", part.place)
            if any(written and (written[0] in touching or written[-1] in touching) for written in told):
                raise Unreadable(
                    f"expected no sign of {touching!a} at an end, which could be read in two ways", part.place
                )

    def _text(self, said: Said, keys: Mapping[str, str]) -> bytes:
        written = []
        for part in self._parts(said):
            if part.kind == "raw":
                value = said.body
            elif part.kind == "text":
                value = part.name.encode()
            elif part.kind == "secret":
                value = keys[part.name].encode("utf-8", "surrogateescape")
            else:
                value = self._written(part, said).encode()
            if value or not self.skip_empty:
                label = f"{part.name}=" if self.named and part.kind == "field" else ""
                written.append(label.encode() + value)
        return self.separator.encode().join(written)

    def _written(self, part: Part, said: Said) -> str:
        value = said.text(part)
        return quote_plus(value) if self.escaped else value


def _overlaps_itself(separator: str) -> bool:
    """Tell whether `separator` begins as it ends, such as "||": then "a|||b" has two places to be cut at."""
    return any(separator.endswith(separator[:length]) for length in range(1, len(separator)))


@dataclass(frozen=True, slots=True)
class Signature:
    """A signed text, its algorithm, and where the signature stands.

    `key` names the secret that proves it, `signing_key` the one that makes it; they differ for a key pair only.
    """

    algorithm: str
    encoding: Encoding
    key: str
    signing_key: str
    text: SignedText
    stands_in: Part
    prefix: str = ""

    @property
    def weak(self) -> bool:
        """Whether the algorithm is too weak to be a bank's only proof."""
        return self.algorithm.endswith("-with-secret")

    @property
    def secrets(self) -> tuple[str, ...]:
        """Names of the secrets that prove it."""
        return tuple(dict.fromkeys((self.key, *self.text.secrets())))

    @property
    def signing_secrets(self) -> tuple[str, ...]:
        """Names of the secrets that make it."""
        return tuple(dict.fromkeys((self.signing_key, *self.text.secrets())))

    def prove(self, given: str, said: Said, secrets: Secrets) -> tuple[bool, bytes]:
        """Tell whether `given` signs what was `said`, and which text it covers; raise Unreadable or Misconfigured."""
        keys, texts = live_keys(secrets, self.key), list(self.text.texts(said, secrets))
        if not given.startswith(self.prefix):
            return False, texts[0]
        scheme, bare = self._scheme(), given.removeprefix(self.prefix)
        fits = [scheme.match(text, bare, keys) is not None for text in texts]  # every key is tried
        return any(fits), texts[fits.index(True) if any(fits) else 0]

    def make(self, said: Said, secrets: Secrets) -> str:
        """Return the signature of what is `said` by the newest keys; raise Unreadable, Misconfigured."""
        newest = {name: live_keys(secrets, name)[:1] for name in self.signing_secrets}
        text = next(self.text.texts(said, newest))
        return self.prefix + self._scheme().sign(text, newest[self.signing_key][0])

    def try_keys(self, secrets: Secrets, *, ours: bool) -> None:
        """Raise Misconfigured unless the keys can prove, or with `ours` make, a signature."""
        if ours:
            self._scheme().sign(b"", live_keys(secrets, self.signing_key)[0])
        else:
            self._scheme().match(b"", encode(b"no signature", self.encoding), live_keys(secrets, self.key))

    def _scheme(self) -> Scheme:
        return ALGORITHMS[self.algorithm](self.encoding)


def place_of(written: str) -> Part:
    """Return the place that "header:NAME" or a field's path names; raise Misconfigured."""
    part = part_of(written)
    if part.kind not in ("field", "header"):
        raise Misconfigured(f"expected a field or header:NAME, got {written[:60]!r}")
    return part


def is_field(written: str) -> bool:
    """Tell whether `written` is the path of a field."""
    return bool(_PATH.fullmatch(written))


def part_of(written: str) -> Part:
    """Return the part that a declaration names: a field's path, header:, secret:, text: or raw:body."""
    kind, colon, name = written.partition(":")
    if not colon:
        kind, name = "field", written
    match kind:
        case "field" if _PATH.fullmatch(name):
            return Part("field", name)
        case "header" if _HEADER.fullmatch(name):
            return Part("header", name.lower())
        case "secret" if SECRET_NAME.fullmatch(name):
            return Part("secret", name)
        case "text" if name:
            return Part("text", name)
        case "raw" if name == "body":
            return Part("raw", name)
    raise Misconfigured(f"expected a field, header:NAME, secret:NAME, text:TEXT or raw:body, got {written[:60]!r}")
