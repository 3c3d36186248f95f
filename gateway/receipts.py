"""Receipts in: a carrier's word on a message, at an address only that carrier knows, read in its own form."""

from flask import Blueprint, Response, current_app, request

from gateway.origin import within
from gateway.request_session import db
from gateway.wiring import Wiring
from reconciliation import sending
from sms import receipts
from sms.transport import Callback

blueprint = Blueprint("receipts", __name__)


@blueprint.route("/sms/receipts/<provider>/<token>", methods=["GET", "POST"])
def receive(provider: str, token: str) -> Response:
    """Take one receipt; it is committed before the carrier is told so."""
    wiring: Wiring = current_app.extensions["doisoat"]
    carrier = wiring.settings.sms.carriers.get(provider)
    known = carrier is not None and carrier.reads_receipts
    if carrier is None or not known or not receipts.proves(provider, token, wiring.receipt_secrets):
        return Response("no such address\n", 404, mimetype="text/plain")
    if carrier.origin.allow_from and not within(request.remote_addr or "", carrier.origin.allow_from):
        return Response("expected a call from an address in allow_from\n", 403, mimetype="text/plain")
    if (request.content_length or 0) > receipts.MAX_BYTES:
        return Response("too large\n", 413, mimetype="text/plain")
    body = request.stream.read(receipts.MAX_BYTES + 1)
    try:
        told = carrier.read_receipt(Callback(request.query_string.decode("latin-1"), body, wiring.clock()))
    except receipts.UnreadableReceipt as error:
        return Response(f"{error}\n", 400, mimetype="text/plain")
    if told is None:
        return Response(status=204)  # heard, and nothing that ends a message
    session = db()
    meant = sending.receipt(
        session, provider=provider, provider_ref=told.provider_ref, request_id=told.request_id,
        delivered=told.delivered, code=told.code, now=wiring.clock(),
    )  # fmt: skip
    session.commit()
    return Response(status=204 if meant else 404)
