"""Viettel Money's result of a payment, in both of its forms: an older one with a checksum, a newer one with ECDSA.

Newer: a POST of JSON with the header `Signature`, ECDSA P-256 with SHA-256 over the raw body in base64, and a token.

    orderId            required  our reference: the payment code, with "-N" from the second attempt on
    vtRequestId        required  Viettel's own reference, unique for ever
    transactionStatus  required  1 = paid
    transAmount        required  whole đồng

Older: a form-encoded POST. Signed text: the access code and then, directly behind each other, billcode, cust_msisdn,
error_code, merchant_code, order_id, payment_status, trans_amount and vt_transaction_id; `check_sum` is its HMAC-SHA1 in
base64. Our answer signs the access code, error_code, merchant_code and order_id alike.

    billcode           required  our payment code
    payment_status     required  1 = paid, with error_code 00
    trans_amount       required  whole đồng
    vt_transaction_id  required  Viettel's own reference, unique for ever

The form whose secrets are given is in use: `viettel_public_key` and `bearer_token`, or `access_code` and `hash_key`.
Weak facts, from integrators and not from Viettel: the newer form's field names and codes, and the older one's hash (one
integrator has SHA-256). Viettel's other word is a `[banks.NAME.callback]` table: docs/banks/declaring.md.
"""

import tomllib

from banks.declared_alternatives import Alternatives
from banks.declared_parsing import declaration_from
from banks.profile import CallbackProfile

NEWER = """
fields = "json"
event_id = ["vtRequestId", "transactionStatus"]
bearer = "bearer_token"

[signature]
algorithm = "ecdsa-p256-sha256"
encoding = "base64"
key = "viettel_public_key"
covers = ["raw:body"]
stands_in = "header:Signature"

[notice]
source_reference = "vtRequestId"
amount = "transAmount"
amount_is = "either"
payment_code = "orderId"
channel = "wallet"
paid_when = { transactionStatus = ["1"] }

[answers]
common = { orderId = "${orderId}" }
accepted = { body = { code = "00", message = "Success" } }
unproven = { body = { code = "01", message = "Invalid signature" } }
unreadable = { body = { code = "99", message = "Invalid data" } }
busy = { status = 503, body = { code = "99", message = "Please send again" } }
"""

OLDER = """
fields = "form"

[signature]
algorithm = "hmac-sha1"
encoding = "base64"
key = "hash_key"
covers = [
    "secret:access_code", "billcode", "cust_msisdn", "error_code", "merchant_code", "order_id", "payment_status",
    "trans_amount", "vt_transaction_id",
]
stands_in = "check_sum"

[notice]
source_reference = "vt_transaction_id"
amount = "trans_amount"
payment_code = "billcode"
channel = "wallet"
paid_when = { payment_status = ["1"], error_code = ["00"] }

[answers]
common = { merchant_code = "${merchant_code}", order_id = "${order_id}", return_url = "", return_bill_code = "" }
accepted = { body = { error_code = "00" } }
unproven = { body = { error_code = "02" } }
unreadable = { body = { error_code = "01" } }
busy = { status = 503, body = { error_code = "03" } }

[answer_signature]
algorithm = "hmac-sha1"
encoding = "base64"
key = "hash_key"
covers = ["secret:access_code", "error_code", "merchant_code", "order_id"]
stands_in = "check_sum"
"""

PROFILE: CallbackProfile = Alternatives(
    "viettel",
    "signature",
    with_header=declaration_from("viettel", tomllib.loads(NEWER)),
    without=declaration_from("viettel", tomllib.loads(OLDER)),
)
