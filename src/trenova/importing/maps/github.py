"""GitHub's audit log of an organisation or enterprise, as exported, streamed or read from the API.

https://docs.github.com/en/organizations/keeping-your-organization-secure/managing-security-settings-for-your-organization/audit-log-events-for-your-organization
"""

from trenova.importing.maps import action, identity, moment, outcome
from trenova.importing.maps.entry import Entry, Facts, Party, assemble
from trenova.importing.maps.error import MapError
from trenova.importing.maps.fields import Event, first_text, origin, required, text_at

PRODUCT = "github"
# `at_sign_timestamp`: how warehouses write a column that may not begin with @.
TIMES = ("@timestamp", "at_sign_timestamp", "created_at")
TARGETS = ("repo", "repository", "user", "team", "org", "business")
# Actions on these are about somebody or something in them first.
TARGETS_OF = {
    "team": ("team", *TARGETS),
    "org": ("user", "team", "org", *TARGETS),
    "business": ("user", "business", *TARGETS),
}


def to_entry(event: Event, *, tenant: str | None) -> Entry:
    """The entry of one event of the audit log. Webhook deliveries are none: they have no time and no actor.

    Times are milliseconds since 1970, as a number or a string; exports through a warehouse spell them out without an
    offset, which then is UTC, as the number counts in it. The tenant is the organisation. GitHub logs what succeeded;
    only actions whose name says `failed` are failures.
    """
    name = required(event, "action")
    facts = Facts(
        id=id_of(event),
        tenant=tenant or text_at(event, "org"),
        occurred_at=occurred_at(event),
        actor=actor_of(event),
        action=action.dotted(name),
        target=target_of(event, name),
        outcome=outcome.FAILURE if "failed" in name.lower() else outcome.SUCCESS,
        context={
            **origin(text_at(event, "actor_ip")),
            "user_agent": text_at(event, "user_agent"),
            "correlation_id": text_at(event, "request_id"),
        },
    )
    return assemble(PRODUCT, event, facts)


def id_of(event: Event) -> str:
    own = text_at(event, "_document_id")
    return identity.own(PRODUCT, own) if own else identity.of_content(PRODUCT, event)


def occurred_at(event: Event) -> str:
    for field in TIMES:
        if event.get(field) is not None:
            return moment.epoch_ms(event[field], field)
    raise MapError("@timestamp: expected milliseconds since 1970, found nothing, and no created_at either")


def actor_of(event: Event) -> Party:
    actor = first_text(event, "actor", "actor_id")
    if actor is None:
        raise MapError("actor: expected a login, found nothing, and no actor_id either")
    if event.get("actor_is_agent") is True:
        return Party("agent", actor)
    return Party("bot" if event.get("actor_is_bot") is True or actor.endswith("[bot]") else "user", actor)


def target_of(event: Event, name: str) -> Party:
    """What the action was done to. `repository` is another word for `repo`."""
    for field in TARGETS_OF.get(name.partition(".")[0].lower(), TARGETS):
        found = text_at(event, field) or text_at(event, "data", field)
        if found:
            return Party("repo" if field == "repository" else field, found)
    raise MapError(f"the target: expected one of {', '.join(TARGETS)}, found none")
