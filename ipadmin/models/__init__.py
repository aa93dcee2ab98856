"""One module a noun; import them from here."""

from ipadmin.models.api_token import ApiToken
from ipadmin.models.audit_entry import AuditEntry, Basis, Outcome
from ipadmin.models.audit_seal import AuditHead, AuditSeal, SealKind
from ipadmin.models.audit_stream import AuditStream
from ipadmin.models.audit_tally import AuditTally, AuditTerm, Facet, Span
from ipadmin.models.audit_verification import AuditVerification
from ipadmin.models.user import User

__all__ = [
    "ApiToken",
    "AuditEntry",
    "AuditHead",
    "AuditSeal",
    "AuditStream",
    "AuditTally",
    "AuditTerm",
    "AuditVerification",
    "Basis",
    "Facet",
    "Outcome",
    "SealKind",
    "Span",
    "User",
]
