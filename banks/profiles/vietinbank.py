"""VietinBank's notice of a payment: a POST of JSON, signed with the bank's RSA key; our answer is signed with ours.

Signed text: transId, transTime, custCode, amount, bankTransId, remark, directly behind each other, empty ones left out;
`signature` is RSA PKCS #1 v1.5 over SHA-256, in base64. Our answer signs transId, errorCode and errorDesc alike.

    transId       required  the bank's id of the notice
    transTime     required  local time as yyyyMMddHHmmss
    custCode      required  what the payer named: our customer code or payment code
    amount        required  whole đồng, as digits
    bankTransId   required  the bank's own reference, unique for ever
    remark        optional  what the transfer says
    currency, account and transType are not signed, so they are not believed.

Weak facts, from integrators and not from the bank: the form of transTime, and the codes other than 00 (taken) and 05
(known already). The bank's other word is a `[banks.NAME.callback]` table made from this one: docs/banks/declaring.md.
"""

import tomllib

from banks.declared_parsing import declaration_from
from banks.profile import CallbackProfile

DECLARATION = """
fields = "json"
event_id = ["transId"]

[signature]
algorithm = "rsa-sha256"
encoding = "base64"
key = "bank_public_key"
covers = ["transId", "transTime", "custCode", "amount", "bankTransId", "remark"]
skip_empty = true
stands_in = "signature"

[notice]
source_reference = "bankTransId"
amount = "amount"
amount_is = "either"
paid_at = "transTime"
paid_at_format = "%Y%m%d%H%M%S"
customer_code = "custCode"
narrative = "remark"
channel = "transfer"

[answers]
common = { transId = "${transId}" }
accepted = { body = { errorCode = "00", errorDesc = "Success" } }
conflict = { body = { errorCode = "05", errorDesc = "Duplicate transaction" } }
unproven = { body = { errorCode = "99", errorDesc = "Invalid signature" } }
unreadable = { body = { errorCode = "99", errorDesc = "Invalid data" } }
busy = { status = 503, body = { errorCode = "99", errorDesc = "Please send again" } }

[answer_signature]
algorithm = "rsa-sha256"
encoding = "base64"
key = "our_private_key"
covers = ["transId", "errorCode", "errorDesc"]
skip_empty = true
stands_in = "signature"
"""

PROFILE: CallbackProfile = declaration_from("vietinbank", tomllib.loads(DECLARATION))
