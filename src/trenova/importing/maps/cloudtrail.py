"""AWS CloudTrail: management, data and sign-in events, as delivered to S3 or forwarded by Logstash.

https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
"""

from trenova.importing.maps import action, identity, moment, outcome
from trenova.importing.maps.entry import Entry, Facts, Party, assemble
from trenova.importing.maps.error import MapError
from trenova.importing.maps.fields import Event, at, first_text, object_at, origin, required_text, text, text_at
from trenova.importing.record import kind

PRODUCT = "cloudtrail"
AWS_DOMAIN = ".amazonaws.com"
ACCOUNT_DIGITS = 12


def to_entry(event: Event, *, tenant: str | None) -> Entry:
    """The entry of one CloudTrail event.

    The time is `eventTime`, documented as UTC; where Logstash removed it, `@timestamp`. The tenant is the account that
    received the event. If the event names no resource, the target is the service that was called.
    """
    service = required_text(event, "eventSource")
    facts = Facts(
        id=id_of(event),
        tenant=tenant or account(event),
        occurred_at=occurred_at(event),
        actor=actor_of(event),
        action=action.action_name(service.removesuffix(AWS_DOMAIN), required_text(event, "eventName")),
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
    """From `eventID`, which is a UUID. A few old or synthetic events have none: their id follows from their content."""
    own = text_at(event, "eventID")
    return identity.from_own_id(PRODUCT, own) if own else identity.from_content(PRODUCT, event)


def occurred_at(event: Event) -> str:
    field = "eventTime" if event.get("eventTime") is not None else "@timestamp"
    if event.get(field) is None:
        raise MapError("eventTime: expected a time, found nothing, and no @timestamp either")
    return moment.rfc3339(event[field], field, utc=True)


def account(event: Event) -> str | None:
    """The 12 digits of `recipientAccountId`, with the leading zeros that are lost if a converter made it a number."""
    value = event.get("recipientAccountId")
    found = text(value)
    return found.zfill(ACCOUNT_DIGITS) if found and isinstance(value, int) else found


def actor_of(event: Event) -> Party:
    """The caller: its ARN, or the best identifier that this kind of identity has.

    Failed sign-ins and some sign-ins through a directory name no caller: then the id is `unknown`.
    """
    caller = event.get("userIdentity")
    if not isinstance(caller, dict) or not caller:
        found = "{}" if caller == {} else kind(caller)
        raise MapError(f"userIdentity: expected an object that names the caller, found {found}")
    id_ = first_text(caller, "arn", "principalId", "invokedBy", "userName") or text_at(caller, "onBehalfOf", "userId")
    name = text_at(caller, "userName") or text_at(caller, "sessionContext", "sessionIssuer", "userName")
    return Party(actor_type(caller), id_ or text_at(caller, "accountId") or "unknown", name)


def actor_type(caller: Event) -> str:
    """`userIdentity.type`. AWS omits it when a service acts: then `invokedBy` is set."""
    return text_at(caller, "type") or ("AWSService" if text_at(caller, "invokedBy") else "AWSAccount")


def target_of(event: Event) -> Party | None:
    """The first resource with a full ARN, else the first with a prefix of one."""
    listed = event.get("resources")
    resources = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    for field in ("ARN", "ARNPrefix"):
        for resource in resources:
            if name := text_at(resource, field):
                return Party(text_at(resource, "type") or arn_service(name), name)
    return None


def arn_service(arn: str) -> str:
    """`secretsmanager` of `arn:aws:secretsmanager:…`, for a resource without a type."""
    parts = arn.split(":", 3)
    return parts[2] if len(parts) > 3 and parts[2] else "resource"  # noqa: PLR2004 - arn:partition:service:…


def outcome_of(event: Event) -> str:
    """Any `errorCode` is a failure or a denial. Failed sign-ins have none: their `responseElements` say so."""
    if event.get("errorCode") is not None:
        return outcome.from_error(text_at(event, "errorCode") or "")
    answers = object_at(event, "responseElements")
    failed = at(event, "errorMessage") is not None or any(
        answers.get(field) == "Failure" for field in ("ConsoleLogin", "CheckMfa", "SwitchRole")
    )
    return outcome.FAILURE if failed else outcome.SUCCESS
