"""Vietcombank's biller call: a POST of `{"context", "payload", "signature"}` that asks us to take a payment.

Signed text: context.channelId, context.channelRefNumber, payload.providerId, payload.serviceId, payload.customerCode,
payload.totalPaymentAmount, payload.paymentMode, payload.internalTransactionRefNo and the shared secret, joined by "|";
`signature` is its MD5 in hex. That is a weak proof: the bank's addresses or its certificate must be declared beside it.

    context.channelRefNumber          required  the channel's id of this call
    payload.customerCode              required  the payment code that the customer typed
    payload.totalPaymentAmount        required  whole đồng, as digits
    payload.internalTransactionRefNo  required  the bank's own reference, unique for ever
    requestDateTime, bills and fields are not signed, so they are not believed.

Answered in `context`: status SUCCESS or FAILURE, and errorCode 0 taken, 1 nothing due, 3 other amount, 10 no such bill,
17 no such customer (the inquiry's word), 18 bad signature. Ours signs channelId, channelRefNumber and responseMsgId.
Weak facts, from billers and not from the bank: the order of the signed fields; some billers are set up with the first
two and the secret alone, or with SHA-256. The first can't be declared, because such a signature says nothing about the
amount; the second, and any other order, is a `[banks.NAME.callback]` table: docs/banks/declaring.md.
"""

import tomllib

from banks.declared_parsing import declaration_from
from banks.profile import CallbackProfile

DECLARATION = """
fields = "json"
asks_bill = true
event_id = ["context.channelRefNumber"]

[signature]
algorithm = "md5-with-secret"
encoding = "hex"
key = "secret_key"
covers = [
    "context.channelId", "context.channelRefNumber", "payload.providerId", "payload.serviceId", "payload.customerCode",
    "payload.totalPaymentAmount", "payload.paymentMode", "payload.internalTransactionRefNo", "secret:secret_key",
]
separator = "|"
stands_in = "signature"

[notice]
source_reference = "payload.internalTransactionRefNo"
amount = "payload.totalPaymentAmount"
amount_is = "either"
payment_code = "payload.customerCode"
channel = "transfer"

[answers]
accepted = { body.context = { status = "SUCCESS", errorCode = 0, errorMessage = "" } }
already_paid = { body.context = { errorCode = 1, errorMessage = "Nothing due" } }
wrong_amount = { body.context = { errorCode = 3, errorMessage = "Other amount due" } }
unknown_bill = { body.context = { errorCode = 10, errorMessage = "No such bill" } }
unproven = { body.context = { errorCode = 18, errorMessage = "Invalid signature" } }
conflict = { body.context = { errorCode = 99, errorMessage = "channelRefNumber came before with other content" } }
unreadable = { body.context = { errorCode = 99, errorMessage = "Invalid data" } }
busy = { status = 503, body.context = { errorCode = 99, errorMessage = "Please send again" } }

[answers.common.context]
channelId = "${context.channelId}"
channelRefNumber = "${context.channelRefNumber}"
requestDateTime = "${context.requestDateTime}"
responseMsgId = "${context.channelRefNumber}"
status = "FAILURE"

[answers.common.payload]
providerId = "${payload.providerId}"
serviceId = "${payload.serviceId}"

[answer_signature]
algorithm = "md5-with-secret"
encoding = "hex"
key = "secret_key"
covers = ["context.channelId", "context.channelRefNumber", "context.responseMsgId", "secret:secret_key"]
separator = "|"
stands_in = "signature"
"""

PROFILE: CallbackProfile = declaration_from("vietcombank", tomllib.loads(DECLARATION))
