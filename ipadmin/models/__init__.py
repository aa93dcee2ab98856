"""One module a noun; import them from here."""

from ipadmin.models.api_token import ApiToken
from ipadmin.models.audit_entry import AuditEntry, Basis, Outcome
from ipadmin.models.user import User

__all__ = ["ApiToken", "AuditEntry", "Basis", "Outcome", "User"]
