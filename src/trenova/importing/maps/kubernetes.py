"""Kubernetes API server audit events (audit.k8s.io v1 and its betas), also as wrapped by Azure's diagnostic logs.

https://kubernetes.io/docs/reference/config-api/apiserver-audit.v1/
"""

import msgspec

from trenova.importing.maps import action, identity, moment, outcome
from trenova.importing.maps.entry import Entry, Facts, Party, assemble
from trenova.importing.maps.error import MapError
from trenova.importing.maps.fields import Event, first_text, number, object_at, origin, required_text, text_at

PRODUCT = "kubernetes"
SERVICE_ACCOUNT = "system:serviceaccount:"
NONRESOURCE = "nonresource"
ALL = "*"  # not a valid name in Kubernetes


def to_entry(event: Event, *, tenant: str | None) -> Entry:
    """The entry of one audit event.

    The id follows from the whole record: `auditID` names a request, not an event. It repeats for every stage, and in
    recorded files even within a stage with different bodies (14 of 32 events of Falco's), which must all be kept. A
    record that is delivered twice is one entry; a record that a collector has added to is another.

    The action is `pods.exec.create` for a resource, `nonresource.get` for a path such as /healthz. The event of the
    stage RequestReceived has no outcome yet; it gets `success`, as an entry must have one.
    """
    audit = unwrap(event)
    facts = Facts(
        id=identity.from_content(PRODUCT, event),
        tenant=tenant,
        occurred_at=occurred_at(audit),
        actor=actor_of(audit),
        action=action_of(audit),
        target=target_of(audit),
        outcome=outcome_of(audit),
        context={
            **origin(text_at(audit, "sourceIPs", 0)),
            "user_agent": text_at(audit, "userAgent"),
            "correlation_id": text_at(audit, "auditID"),
            "impersonated_user": text_at(audit, "impersonatedUser", "username"),
        },
    )
    return assemble(PRODUCT, event, facts)


def unwrap(event: Event) -> Event:
    """The audit event itself, which Azure puts as a string into `properties.log`."""
    log = text_at(event, "properties", "log")
    if log is None:
        if "protoPayload" in event:
            raise MapError("expected a Kubernetes audit event, found a Google Cloud one (protoPayload); use --map gcp")
        return event
    try:
        return msgspec.json.decode(log, type=Event)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise MapError(f"properties.log: expected the JSON of an audit event ({error})") from None


def occurred_at(audit: Event) -> str:
    """`requestReceivedTimestamp`; `timestamp` before Kubernetes 1.8."""
    for field in ("requestReceivedTimestamp", "timestamp"):
        if audit.get(field) is not None:
            return moment.rfc3339(audit[field], field, utc=False)
    raise MapError("requestReceivedTimestamp: expected a time, found nothing, and no timestamp either")


def actor_of(audit: Event) -> Party:
    """The authenticated user; the one it impersonated is `impersonated_user` in the context."""
    user = required_text(audit, "user", "username")
    if user.startswith(SERVICE_ACCOUNT):
        return Party("service_account", user, user.removeprefix(SERVICE_ACCOUNT).replace(":", "/", 1))
    if user.startswith("system:node:"):
        return Party("node", user)
    if user in {"system:anonymous", "system:unauthenticated"}:
        return Party("anonymous", user)
    return Party("system" if user.startswith(("system:", "eks:", "aks:", "gke:")) else "user", user)


def action_of(audit: Event) -> str:
    verb = required_text(audit, "verb")
    resource = text_at(audit, "objectRef", "resource")
    subresource = text_at(audit, "objectRef", "subresource")
    names = [resource or NONRESOURCE, subresource if resource else None, verb]
    return action.action_name(*(name for name in names if name))


def target_of(audit: Event) -> Party:
    """`namespace/name` of the object, or the name alone if it has no namespace; `*` as the name for all objects."""
    resource = text_at(audit, "objectRef", "resource")
    if resource is None:
        return Party("nonresource_url", required_text(audit, "requestURI").partition("?")[0] or "/")
    name = text_at(audit, "objectRef", "name") or created_name(audit) or ALL
    namespace = text_at(audit, "objectRef", "namespace")
    return Party(resource, f"{namespace}/{name}" if namespace else name)


def created_name(audit: Event) -> str | None:
    """The name that the server generated for an object created without one."""
    if audit.get("verb") != "create" or text_at(audit, "objectRef", "subresource"):
        return None
    return text_at(audit, "responseObject", "metadata", "name")


def outcome_of(audit: Event) -> str:
    code = number(object_at(audit, "responseStatus").get("code"))
    if code is not None:
        return outcome.from_http_status(code)
    if object_at(audit, "annotations").get("authorization.k8s.io/decision") == "forbid":
        return outcome.DENIED
    failed = first_text(audit, "stage") == "Panic" or text_at(audit, "responseStatus", "status") == "Failure"
    return outcome.FAILURE if failed else outcome.SUCCESS
