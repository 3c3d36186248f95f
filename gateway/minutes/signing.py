"""Signing minutes: a PAdES signature by the utility's certificate over the whole document."""

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyhanko.sign.signers import SimpleSigner

FIELD = "DoiSoat"


def sign(document: bytes, signer: "SimpleSigner", *, reason: str) -> bytes:
    """Return the document with a signature (PAdES baseline B) that covers every byte of it."""
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
    from pyhanko.sign.fields import SigSeedSubFilter
    from pyhanko.sign.signers import PdfSignatureMetadata, PdfSigner

    asked = PdfSignatureMetadata(
        field_name=FIELD, md_algorithm="sha256", subfilter=SigSeedSubFilter.PADES, reason=reason
    )
    signed: io.BytesIO = PdfSigner(asked, signer=signer).sign_pdf(IncrementalPdfFileWriter(io.BytesIO(document)))
    return signed.getvalue()
