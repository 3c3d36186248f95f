"""The words of what a person did last with a case: what they may take back, and what they decided of an answer."""

from gateway.languages import lazy_gettext as _
from reconciliation import undoing

SAID = {
    undoing.PROPOSED: _("You proposed an answer to #%(id)s; it waits for approval."),
    undoing.APPLIED: _("You settled #%(id)s."),
    undoing.NOTED: _("You closed #%(id)s."),
    undoing.GIVEN: _("You changed whose case #%(id)s is."),
    undoing.RESTED: _("You let #%(id)s rest."),
}

DECIDED = {
    "applied": _("You approved the answer to #%(id)s: it is carried out."),
    "refused": _("You refused the answer to #%(id)s: the case is open again."),
    "withdrawn": _("You took your proposal for #%(id)s back: the case is open again."),
}
