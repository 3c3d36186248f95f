"""Verifying minutes: who signed when, that no byte has changed since, and that they still say what the books say."""

import io
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway.minutes import contents
from reconciliation import day_figures
from reconciliation.closes import Close

if TYPE_CHECKING:
    from asn1crypto.x509 import Certificate

_LARGEST = 64 * 1024 * 1024
_LAST_WORD_WITHIN = 1024
"""Bytes at the end of a PDF among which readers look for its last word."""


class NotProven(ValueError):
    """Minutes that prove nothing; says what was expected and what arrived."""


@dataclass(frozen=True, slots=True)
class Proven:
    """Minutes whose signature holds: by whom and when by the signer's own clock, and what they carry."""

    signer: str
    at: datetime | None
    said: dict[str, Any]


def prove(document: bytes, trusted: "Sequence[Certificate]") -> Proven:
    """Return what signed minutes prove by certificates that end in `trusted`; raises NotProven for anything else."""
    _whole(document)
    try:
        return _prove(document, trusted)
    except NotProven:
        raise
    except Exception as wrong:  # whatever a damaged file makes of the readers, it proves nothing
        said = f"got a damaged file: some of its {len(document)} bytes are not what a PDF has in their place"
        raise NotProven(f"expected minutes that can be read, {said}") from wrong


def compare(session: Session, said: dict[str, Any]) -> Close:
    """Return the close that minutes are about, if the database says of it what they say; raises NotProven."""
    which = (said["bank"], said["period"], date.fromisoformat(said["day"]), said["version"])
    found = session.scalar(
        select(Close).where(
            Close.bank == which[0], Close.period == which[1], Close.day == which[2], Close.version == which[3]
        )
    )
    if found is None:
        raise NotProven(f"expected a close that the database knows, got version {which[3]} of {which[0]} {which[2]}")
    ours = contents.said_of(found)
    other = [name for name, value in ours.items() if said.get(name) != value]
    if other:
        raise NotProven(f"expected what the database says of this close, got another {', '.join(other)}")
    return found


def _whole(document: bytes) -> None:
    """Insist on a PDF from its first word to its last: what is no PDF, or was cut off, is told as just that."""
    if len(document) > _LARGEST:
        raise NotProven(f"expected minutes of at most {_LARGEST} bytes, got a file of {len(document)}")
    if not document.startswith(b"%PDF-"):
        got = f"another file, which begins with {ascii(document[:12])[1:]}" if document else "an empty file"
        raise NotProven(f"expected minutes as a PDF, which begins with '%PDF-', got {got}")
    if b"%%EOF" not in document[-_LAST_WORD_WITHIN:]:
        said = f"a damaged file of {len(document)} bytes without that end: it was cut off"
        raise NotProven(f"expected minutes as a whole PDF, which ends with '%%EOF', got {said}")


def _prove(document: bytes, trusted: "Sequence[Certificate]") -> Proven:
    from pyhanko.pdf_utils.reader import PdfFileReader
    from pyhanko.sign.diff_analysis import ModificationLevel
    from pyhanko.sign.validation import validate_pdf_signature
    from pyhanko.sign.validation.status import SignatureCoverageLevel
    from pyhanko_certvalidator import ValidationContext

    reader = PdfFileReader(io.BytesIO(document))
    signatures = reader.embedded_signatures
    if not signatures:
        raise NotProven("expected signed minutes, got a document without a signature")
    if len(signatures) > 1:
        raise NotProven(f"expected one signature, got {len(signatures)}")
    known = ValidationContext(trust_roots=list(trusted), allow_fetching=False)
    found = validate_pdf_signature(signatures[0], known)
    if not (found.intact and found.valid):
        raise NotProven("expected the bytes that were signed, got others: the document was changed")
    if found.coverage is not SignatureCoverageLevel.ENTIRE_FILE or found.modification_level not in (
        None, ModificationLevel.NONE,
    ):  # fmt: skip
        raise NotProven("expected a signature over the whole file, got something added after it was signed")
    if not (found.trusted and found.bottom_line):
        who = signatures[0].signer_cert.subject.human_friendly
        raise NotProven(f"expected a certificate that is trusted, got that of {who}")
    _no_other_certificate(signatures[0], found.validation_path, trusted)
    _no_other_byte(document, signatures[0])
    said = _carried(reader)
    if day_figures.digest(said["figures"]) != said["digest"]:
        raise NotProven("expected figures of their digest, got others")
    return Proven(signatures[0].signer_cert.subject.human_friendly, found.signer_reported_dt, said)


def _no_other_certificate(signature: Any, path: Any, trusted: "Sequence[Certificate]") -> None:
    """Insist that each certificate in the document is one that is trusted, or was proven on the way to one."""
    proven = {one.dump() for one in trusted} | {one.dump() for one in path if one.self_issued is False}
    if any(one.dump() not in proven for one in (signature.signer_cert, *signature.other_embedded_certs)):
        raise NotProven("expected the certificates that are trusted, got one that is not")


def _no_other_byte(document: bytes, signature: Any) -> None:
    """Insist that the gap a signature can't cover holds the signature, in one spelling, and nothing else."""
    first, length, second, rest = (int(one) for one in signature.byte_range)
    gap = document[first + length : second]
    hexed = gap[1:-1]
    if first or second + rest != len(document) or gap[:1] + gap[-1:] != b"<>" or not re.fullmatch(b"[0-9A-F]*", hexed):
        raise NotProven("expected nothing beside the signature, got other bytes")
    if bytes.fromhex(hexed.decode()).rstrip(b"\0") != _one_spelling(signature).rstrip(b"\0"):
        raise NotProven("expected nothing beside the signature, got other bytes")


def _one_spelling(signature: Any) -> bytes:
    """Return a signature as ours are written: around its signed parts a CMS may say things that nobody has signed."""
    from asn1crypto import cms

    found, signer = signature.signed_data, signature.signer_info
    named = {"algorithm": signature.md_algorithm}
    signed = {name: signer[name] for name in ("sid", "signed_attrs", "signature_algorithm", "signature")}
    alone = {
        "version": "v1", "digest_algorithms": [named], "encap_content_info": {"content_type": "data"},
        "certificates": found["certificates"],
        "signer_infos": [cms.SignerInfo({"version": "v1", "digest_algorithm": named, **signed})],
    }  # fmt: skip
    written: bytes = cms.ContentInfo({"content_type": "signed_data", "content": cms.SignedData(alone)}).dump()
    return written


def _carried(reader: Any) -> dict[str, Any]:
    names = reader.root["/Names"]["/EmbeddedFiles"]["/Names"]
    files = {str(names[at]): names[at + 1] for at in range(0, len(names), 2)}
    if contents.FIGURES not in files:
        raise NotProven(f"expected minutes that carry {contents.FIGURES}, got none")
    read: dict[str, Any] = json.loads(files[contents.FIGURES]["/EF"]["/F"].data)
    return read
