"""Receipts in: the carrier's word on a message, at an address only the carrier knows."""

from flask import Blueprint, Response, current_app, request

from gateway.request_session import db
from gateway.wiring import CARRIER, Wiring
from reconciliation import sending
from sms import receipts

blueprint = Blueprint("receipts", __name__)


@blueprint.post("/sms/receipts/<provider>/<token>")
def receive(provider: str, token: str) -> Response:
    """Take one receipt; it is committed before the carrier is told so."""
    wiring: Wiring = current_app.extensions["doisoat"]
    if provider != CARRIER or not receipts.proves(provider, token, wiring.receipt_secrets):
        return Response("no such address\n", 404, mimetype="text/plain")
    if (request.content_length or 0) > receipts.MAX_BYTES:
        return Response("too large\n", 413, mimetype="text/plain")
    try:
        told = receipts.parse(request.stream.read(receipts.MAX_BYTES + 1))
    except receipts.UnreadableReceipt as error:
        return Response(f"{error}\n", 400, mimetype="text/plain")
    session = db()
    known = sending.receipt(
        session, provider=provider, provider_ref=told.provider_ref, request_id=told.request_id,
        delivered=told.delivered, code=told.code, now=wiring.clock(),
    )  # fmt: skip
    session.commit()
    return Response(status=204 if known else 404)
