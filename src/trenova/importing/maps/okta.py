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
    "CHALLENGE": outcome.SUCCESS,  # the policy was evaluated; the result of the challenge is another event
    "SCHEDULED": outcome.SUCCESS,
    "DEFERRED": outcome.SUCCESS,
    "DENY": outcome.DENIED,
    "RATE_LIMIT": outcome.DENIED,
}


def to_entry(event: Event, *, tenant: str | None) -> Entry:
    """The entry of one system log event.

    Okta documents `published` as UTC, so a time without an offset ("2022-03-22 14:21:53.225", as data warehouses write
    it) is UTC. Field names in lower case are accepted, as warehouses write those too. The target of an event that names
    none, such as a failed sign-in, is the Okta service.
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
    return identity.from_own_id(PRODUCT, own) if own else identity.from_content(PRODUCT, event)


def action_of(event: Event) -> str:
    name = first_text(event, "eventType", "eventtype")
    if name is None:
        raise MapError("eventType: expected text, found nothing")
    return action.action_name(name.lower())


def actor_of(event: Event) -> Party:
    found = party_of(object_at(event, "actor"))
    if found is None:
        raise MapError("actor: expected an object with type and id, found none")
    return found


def target_of(event: Event) -> Party:
    """The first target that has a type and an id."""
    listed = event.get("target")
    for one in listed if isinstance(listed, list) else []:
        if isinstance(one, dict) and (found := party_of(one)):
            return found
    return Party("service", "okta")


def party_of(value: Event) -> Party | None:
    """An actor or a target. `alternateId` (a login or a label) is used where Okta has no id."""
    type_, id_ = first_text(value, "type"), first_text(value, "id", "alternateId")
    return Party(type_, id_, first_text(value, "displayName", "alternateId")) if type_ and id_ else None


def outcome_of(event: Event) -> str:
    """By Okta's result. FAILURE, and results that do not claim success (UNKNOWN, SKIPPED, ABANDONED), are failures."""
    result = text(object_at(event, "outcome").get("result"))
    return outcome.SUCCESS if result is None else OUTCOMES.get(result.upper(), outcome.FAILURE)


def session_of(event: Event) -> str | None:
    fields = ("authenticationContext", "authenticationcontext")
    return next((found for field in fields if (found := text_at(event, field, "externalSessionId"))), None)
