"""Google Cloud audit logs: log entries with an AuditLog as `protoPayload`.

https://cloud.google.com/logging/docs/audit/understanding-audit-logs
"""

import re

from trenova.importing.maps import action, identity, moment, outcome
from trenova.importing.maps.entry import Entry, Facts, Party, assemble
from trenova.importing.maps.error import MapError
from trenova.importing.maps.fields import Event, at, first_text, number, object_at, origin, required_text, text_at

PRODUCT = "gcp"
VERSION = re.compile(r"v\d+((alpha|beta)\d*)?|alpha|beta|google|cloud|io", re.IGNORECASE | re.ASCII)
PERMISSION_DENIED, UNAUTHENTICATED = 7, 16  # google.rpc.Code
SUBJECT_TYPES = {"user": "user", "serviceAccount": "service_account"}


def to_entry(event: Event, *, tenant: str | None) -> Entry:
    """The entry of one audit log entry.

    `timestamp` is documented as UTC, so one without an offset, as data warehouses write it, is UTC. Field names in
    lower case are accepted, as warehouses write those too. The tenant is the project. In some denied requests Google
    redacts the caller: then the actor is `unknown`.
    """
    audit = object_at(event, "protoPayload") or object_at(event, "protopayload")
    occurred_at = moment.rfc3339(event.get("timestamp"), "timestamp", utc=True)
    facts = Facts(
        id=id_of(event, occurred_at),
        tenant=tenant or text_at(event, "resource", "labels", "project_id"),
        occurred_at=occurred_at,
        actor=actor_of(audit),
        action=action_of(audit),
        target=target_of(event, audit),
        outcome=outcome_of(audit),
        context=context_of(event, audit),
    )
    return assemble(PRODUCT, event, facts)


def id_of(event: Event, occurred_at: str) -> str:
    """From `insertId`, which is unique only together with the log and the time."""
    own = first_text(event, "insertId", "insertid")
    if own is None:
        return identity.from_content(PRODUCT, event)
    return identity.from_parts(PRODUCT, "id", first_text(event, "logName", "logname") or "", occurred_at, own)


def actor_of(audit: Event) -> Party:
    caller = object_at(audit, "authenticationInfo")
    email, subject = text_at(caller, "principalEmail"), text_at(caller, "principalSubject")
    if email:
        return Party("service_account" if email.endswith("gserviceaccount.com") else "user", email)
    if subject:
        return Party(SUBJECT_TYPES.get(subject.partition(":")[0], "principal"), subject)
    return Party("unknown", "unknown")


def action_of(audit: Event) -> str:
    """`iam.admin.create_service_account_key` of `google.iam.admin.v1.CreateServiceAccountKey`.

    Versions and Google's own prefixes are omitted; a method without a service (`SetIamPolicy`) is prefixed with it.
    """
    method = required_text(audit, "methodName")
    words = [word for word in re.split(r"[./]", method) if word and not VERSION.fullmatch(word)]
    service = text_at(audit, "serviceName")
    if len(words) == 1 and service:
        words.insert(0, service.partition(".")[0])
    return action.action_name(*words)


def target_of(event: Event, audit: Event) -> Party:
    name = text_at(audit, "resourceName")
    if name:
        return Party(text_at(event, "resource", "type") or "resource", name)
    service = text_at(audit, "serviceName")
    if service is None:
        raise MapError("protoPayload.resourceName: expected text, found nothing, and no serviceName either")
    return Party("service", service)


def outcome_of(audit: Event) -> str:
    """From `status`: no code or 0 is success, others are of google.rpc.Code or HTTP. Without it, from permissions."""
    code = number(at(audit, "status", "code"))
    if code in {PERMISSION_DENIED, UNAUTHENTICATED, outcome.UNAUTHORIZED, outcome.FORBIDDEN}:
        return outcome.DENIED
    if code:
        return outcome.FAILURE
    if message := text_at(audit, "status", "message"):
        return outcome.from_error(message)
    checks = audit.get("authorizationInfo")
    granted = [at(one, "granted") for one in checks if isinstance(one, dict)] if isinstance(checks, list) else []
    return outcome.DENIED if granted and all(grant is False for grant in granted) else outcome.SUCCESS


def context_of(event: Event, audit: Event) -> dict[str, str | None]:
    request = object_at(audit, "requestMetadata")
    return {
        **origin(first_text(request, "callerIp", "callerIP")),
        "user_agent": text_at(request, "callerSuppliedUserAgent"),
        "correlation_id": text_at(event, "operation", "id"),
    }
