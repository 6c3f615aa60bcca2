"""AWS CloudTrail: management, data and sign-in events, as delivered to S3 or passed on by Logstash.

https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
"""

from trenova.importing.maps import action, identity, moment, outcome
from trenova.importing.maps.entry import Entry, Facts, Party, assemble
from trenova.importing.maps.error import MapError
from trenova.importing.maps.fields import Event, at, first_text, object_at, origin, required, text, text_at
from trenova.importing.record import kind

PRODUCT = "cloudtrail"
AWS_DOMAIN = ".amazonaws.com"
ACCOUNT_DIGITS = 12


def to_entry(event: Event, *, tenant: str | None) -> Entry:
    """The entry of one CloudTrail event.

    The time is `eventTime`, documented as UTC; where Logstash took that away, `@timestamp`. The tenant is the account
    that received the event. Where the event names no resource, the target is the service that was called.
    """
    service = required(event, "eventSource")
    facts = Facts(
        id=id_of(event),
        tenant=tenant or account(event),
        occurred_at=occurred_at(event),
        actor=actor_of(event),
        action=action.dotted(service.removesuffix(AWS_DOMAIN), required(event, "eventName")),
        target=target_of(event) or Party("service", service),
        outcome=outcome_of(event),
        context={
            **origin(text_at(event, "sourceIPAddress")),
            "user_agent": text_at(event, "userAgent"),
            "correlation_id": text_at(event, "requestID"),
        },
    )
    return assemble(PRODUCT, event, facts)


def id_of(event: Event) -> str:
    """From `eventID`, which is a UUID; a few old or made-up events have none and go by their content."""
    own = text_at(event, "eventID")
    return identity.own(PRODUCT, own) if own else identity.of_content(PRODUCT, event)


def occurred_at(event: Event) -> str:
    field = "eventTime" if event.get("eventTime") is not None else "@timestamp"
    if event.get(field) is None:
        raise MapError("eventTime: expected a time, found nothing, and no @timestamp either")
    return moment.rfc3339(event[field], field, utc=True)


def account(event: Event) -> str | None:
    """The 12 digits of `recipientAccountId`; the zeros in front, where a converter made a number of it, come back."""
    value = event.get("recipientAccountId")
    found = text(value)
    return found.zfill(ACCOUNT_DIGITS) if found and isinstance(value, int) else found


def actor_of(event: Event) -> Party:
    """Who called: the ARN, or the best that this kind of identity has.

    Failed sign-ins and some sign-ins through a directory name nobody: then the id is `unknown`, as the log has it.
    """
    who = event.get("userIdentity")
    if not isinstance(who, dict) or not who:
        raise MapError(f"userIdentity: expected an object that says who, found {'{}' if who == {} else kind(who)}")
    found = first_text(who, "arn", "principalId", "invokedBy", "userName") or text_at(who, "onBehalfOf", "userId")
    name = text_at(who, "userName") or text_at(who, "sessionContext", "sessionIssuer", "userName")
    return Party(actor_type(who), found or text_at(who, "accountId") or "unknown", name)


def actor_type(who: Event) -> str:
    """`userIdentity.type`, which AWS leaves out where a service acts: then `invokedBy` says so."""
    return text_at(who, "type") or ("AWSService" if text_at(who, "invokedBy") else "AWSAccount")


def target_of(event: Event) -> Party | None:
    """The first resource that is named in full, else the first that is named by a prefix."""
    listed = event.get("resources")
    resources = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    for field in ("ARN", "ARNPrefix"):
        for resource in resources:
            if name := text_at(resource, field):
                return Party(text_at(resource, "type") or arn_service(name), name)
    return None


def arn_service(arn: str) -> str:
    """`secretsmanager` of `arn:aws:secretsmanager:…`: all there is to say where a resource has no type."""
    parts = arn.split(":", 3)
    return parts[2] if len(parts) > 3 and parts[2] else "resource"  # noqa: PLR2004 - arn:partition:service:…


def outcome_of(event: Event) -> str:
    """Any `errorCode` is a failure or a refusal. Failed sign-ins have none: they say so in the answer."""
    if event.get("errorCode") is not None:
        return outcome.of_error(text_at(event, "errorCode") or "")
    answers = object_at(event, "responseElements")
    failed = at(event, "errorMessage") is not None or any(
        answers.get(field) == "Failure" for field in ("ConsoleLogin", "CheckMfa", "SwitchRole")
    )
    return outcome.FAILURE if failed else outcome.SUCCESS
