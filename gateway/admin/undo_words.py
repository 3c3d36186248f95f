"""The words of taking back: what a person did last with a case."""

from gateway.languages import lazy_gettext as _
from reconciliation import undoing

SAID = {
    undoing.PROPOSED: _("You proposed an answer to #%(id)s; it waits for approval."),
    undoing.APPLIED: _("You settled #%(id)s."),
    undoing.NOTED: _("You closed #%(id)s."),
    undoing.GIVEN: _("You changed whose case #%(id)s is."),
    undoing.RESTED: _("You let #%(id)s rest."),
}
