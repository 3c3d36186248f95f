"""The words of settling: why an answer or a remark can't be, what becomes of money, what people add to a question."""

from gateway.languages import lazy_gettext as _

NOT_SETTLED = {
    "no_payment": _("This question is not about a payment's money."),
    "not_open": _("This question has been answered or is being answered: look at it again."),
    "own": _("Another person approves than the one who proposed it."),
    "no_match": _("A match was undone meanwhile: look at it again."),
    "nothing": _("Choose a match to undo, a bill to settle or where else the money goes."),
    "day_or_items": _("Choose a day or name payments, one of the two."),
    "no_day": _("Choose one of the days that the line may be of."),
    "no_items": _("Choose a day or payments that no line shows yet."),
    "other_sum": _("The line brings %(expected)s; these payments come to %(given)s less their fees."),
    "no_bill": _("There is no such bill."),
    "not_counting": _("The payment is not in đồng, or the bank has taken it back."),
    "not_owed": _("Bill %(number)s is not owed any more."),
    "paid": _("Bill %(number)s is paid already: nothing of it is owed."),
    "twice": _("The payment settles part of bill %(number)s already: undo that match as well."),
    "too_much": _("Bill %(number)s takes at most %(most)s."),
    "over": _("The payment has at most %(most)s to give."),
    "spent": _("All of this payment is matched or placed: undo a match first."),
    "paid_out": _("A statement shows that this refund has left: it can't be taken back."),
    "not_arrived": _("Only money that a statement has shown is credited or given back."),
    "arrived": _("A statement shows this money: it can't be said that it never came."),
    "no_account": _("Choose the account the difference is written to."),
    "too_different": _("A difference is at most %(most)s."),
    "no_customer": _("Name the customer whose credit it is."),
    "not_its_bill": _("A difference is written off only on a bill that this payment settles."),
    "no_evidence": _("Money goes to another customer only on evidence: attach it to the question first."),
    "changed": _("This case has changed since you opened it: see what happened, then answer again."),
    "settled_meanwhile": _("This case has been settled since you opened it: see below by whom and how."),
    "needs_booking": _("This question is about money that is still to be booked: words alone do not close it."),
    "other_usual": _("What is usual has changed meanwhile: look at it again."),
    "not_last": _("This can't be taken back any more: something else happened to the case."),
    "not_that_line": _("This refund is not owed any more, or its amount is another one."),
}
"""Why an answer can't be, for the person who gave it."""

NOT_REMARKED = {
    "empty": _("Choose a file that is not empty."),
    "too_large": _("A file is at most 5 MB."),
    "no_kind": _("Evidence is a document: its name ends in pdf, png, jpg, xlsx, csv, txt, eml or zip."),
    "other_kind": _("The file is not what its name says: attach the document itself."),
    "no_trace": _("There is no trace request that the bank could answer."),
    "no_day": _("Choose a day within the next 60 days."),
    "no_words": _("Write what is to be kept."),
    "settled": _("This question has been settled: only a comment can be added."),
    "no_question": _("There is no such question."),
    "no_rest": _("This question does not rest."),
    "no_person": _("Choose a person who settles questions."),
    "no_remark": _("There is no such comment or file here."),
    "not_own": _("A remark is taken back by whoever made it."),
    "answered_by": _("An answer has been given: what it may rest on stays. Undo the answer first."),
    "withdrawn": _("This has been taken back."),
}
"""Why a remark can't be, for the person who made it."""

PLACES = {
    "credit": _("the customer's credit"),
    "refund": _("refund to the payer"),
    "return": _("return to the sender"),
    "held": _("held in suspense"),
    "difference": _("small difference"),
}
"""What becomes of money that goes to no bill."""

ACCOUNTS = {
    "expense:differences": _("differences, expense"),
    "expense:bank-fees": _("bank fees"),
    "income:differences": _("differences, income"),
}
"""The accounts a small difference is written to."""

REMARKS = {
    "comment": _("Comment"),
    "evidence": _("Evidence"),
    "trace": _("Trace request"),
    "trace_answer": _("The bank's answer"),
    "expected": _("Expected until"),
    "resumed": _("Taken up again"),
    "assigned": _("Given to"),
    "noted": _("Closed by words"),
    "withdrawn": _("Taken back"),
}
