"""Okta's system log.

https://developer.okta.com/docs/api/openapi/okta-management/management/tag/SystemLog/
"""

from trenova.importing.maps import action, identity, moment, outcome
from trenova.importing.maps.entry import Entry, Facts, Party, assemble
from trenova.importing.maps.error import MapError
from trenova.importing.maps.fields import Event, first_text, object_at, origin, text, text_at

PRODUCT = "okta"
OUTCOMES = {
    "SUCCESS": outcome.SUCCESS,
    "ALLOW": outcome.SUCCESS,
    "CHALLENGE": outcome.SUCCESS,  # the policy was evaluated; what it asked for is another event
    "SCHEDULED": outcome.SUCCESS,
    "DEFERRED": outcome.SUCCESS,
    "DENY": outcome.DENIED,
    "RATE_LIMIT": outcome.DENIED,
}


def to_entry(event: Event, *, tenant: str | None) -> Entry:
    """The entry of one system log event.

    Okta documents `published` as UTC, so a time without an offset ("2022-03-22 14:21:53.225", as warehouses write it)
    is taken as UTC. Field names in lower case are understood, for warehouses write those too. An event that names no
    target, such as a failed sign-in, is about the Okta service.
    """
    facts = Facts(
        id=id_of(event),
        tenant=tenant,
        occurred_at=moment.rfc3339(event.get("published"), "published", utc=True),
        actor=actor_of(event),
        action=action_of(event),
        target=target_of(event),
        outcome=outcome_of(event),
        context={
            **origin(text_at(event, "client", "ipAddress")),
            "user_agent": text_at(event, "client", "userAgent", "rawUserAgent"),
            "correlation_id": text_at(event, "transaction", "id"),
            "session_id": session_of(event),
        },
    )
    return assemble(PRODUCT, event, facts)


def id_of(event: Event) -> str:
    own = text_at(event, "uuid")
    return identity.own(PRODUCT, own) if own else identity.of_content(PRODUCT, event)


def action_of(event: Event) -> str:
    name = first_text(event, "eventType", "eventtype")
    if name is None:
        raise MapError("eventType: expected text, found nothing")
    return action.dotted(name.lower())


def actor_of(event: Event) -> Party:
    found = party(object_at(event, "actor"))
    if found is None:
        raise MapError("actor: expected an object with type and id, found none")
    return found


def target_of(event: Event) -> Party:
    """The first target that is named at all."""
    listed = event.get("target")
    for one in listed if isinstance(listed, list) else []:
        if isinstance(one, dict) and (found := party(one)):
            return found
    return Party("service", "okta")


def party(one: Event) -> Party | None:
    """`alternateId` (a login or a label) stands in where Okta gives no id."""
    kind, name = first_text(one, "type"), first_text(one, "id", "alternateId")
    return Party(kind, name, first_text(one, "displayName", "alternateId")) if kind and name else None


def outcome_of(event: Event) -> str:
    """Okta's own word. FAILURE, and words that claim no success (UNKNOWN, SKIPPED, ABANDONED), are failures."""
    result = text(object_at(event, "outcome").get("result"))
    return outcome.SUCCESS if result is None else OUTCOMES.get(result.upper(), outcome.FAILURE)


def session_of(event: Event) -> str | None:
    fields = ("authenticationContext", "authenticationcontext")
    return next((found for field in fields if (found := text_at(event, field, "externalSessionId"))), None)
