"""GitHub's audit log of an organisation or enterprise, as exported, streamed or read from the API.

https://docs.github.com/en/organizations/keeping-your-organization-secure/managing-security-settings-for-your-organization/audit-log-events-for-your-organization
"""

from trenova.importing.maps import action, identity, moment, outcome
from trenova.importing.maps.entry import Entry, Facts, Party, assemble
from trenova.importing.maps.error import MapError
from trenova.importing.maps.fields import Event, first_text, origin, required_text, text_at

PRODUCT = "github"
# `at_sign_timestamp`: what data warehouses call the column, as theirs cannot begin with @.
TIMES = ("@timestamp", "at_sign_timestamp", "created_at")
TARGETS = ("repo", "repository", "user", "team", "org", "business")
# Actions on these are first of all about a member or a part of them.
TARGETS_OF = {
    "team": ("team", *TARGETS),
    "org": ("user", "team", "org", *TARGETS),
    "business": ("user", "business", *TARGETS),
}


def to_entry(event: Event, *, tenant: str | None) -> Entry:
    """The entry of one audit log event. Webhook deliveries are not audit events: they have no time and no actor.

    Times are milliseconds since 1970, as a number or a string. Exports through a data warehouse have RFC 3339 times
    without an offset, which are UTC, as the numbers are. The tenant is the organisation. GitHub logs what succeeded:
    only actions whose name contains `failed` are failures.
    """
    name = required_text(event, "action")
    facts = Facts(
        id=id_of(event),
        tenant=tenant or text_at(event, "org"),
        occurred_at=occurred_at(event),
        actor=actor_of(event),
        action=action.action_name(name),
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
    return identity.from_own_id(PRODUCT, own) if own else identity.from_content(PRODUCT, event)


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
    """What the action was done to. `repository` means the same as `repo`."""
    for field in TARGETS_OF.get(name.partition(".")[0].lower(), TARGETS):
        found = text_at(event, field) or text_at(event, "data", field)
        if found:
            return Party("repo" if field == "repository" else field, found)
    raise MapError(f"the target: expected one of {', '.join(TARGETS)}, found none")
