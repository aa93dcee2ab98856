"""One module a noun; import them from here."""

from ipadmin.models.api_token import ApiToken
from ipadmin.models.audit_counter import AuditCounter, AuditValueCounter, Facet, Span
from ipadmin.models.audit_entry import Action, AuditEntry, Basis, Outcome
from ipadmin.models.audit_link import AuditChain, AuditLink, LinkKind
from ipadmin.models.audit_reason_word import AuditReasonWord
from ipadmin.models.audit_stream import AuditStream
from ipadmin.models.audit_verification import AuditVerification
from ipadmin.models.cache_entry import CacheEntry
from ipadmin.models.inventory_snapshot import InventorySnapshot
from ipadmin.models.invitation import Invitation
from ipadmin.models.notification import (
    DeliveryState,
    Notification,
    NotificationDelivery,
    NotificationKind,
    NotificationWatermark,
)
from ipadmin.models.run import ApprovalRule, Run, RunItem, RunState, SkipReason
from ipadmin.models.session import Session
from ipadmin.models.user import User

__all__ = [
    "Action",
    "ApiToken",
    "ApprovalRule",
    "AuditChain",
    "AuditCounter",
    "AuditEntry",
    "AuditLink",
    "AuditReasonWord",
    "AuditStream",
    "AuditValueCounter",
    "AuditVerification",
    "Basis",
    "CacheEntry",
    "DeliveryState",
    "Facet",
    "InventorySnapshot",
    "Invitation",
    "LinkKind",
    "Notification",
    "NotificationDelivery",
    "NotificationKind",
    "NotificationWatermark",
    "Outcome",
    "Run",
    "RunItem",
    "RunState",
    "Session",
    "SkipReason",
    "Span",
    "User",
]
