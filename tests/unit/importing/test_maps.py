"""What each map makes of the unusual records its product is known for."""

from typing import Any

import pytest

from trenova.errors import InvalidRequest
from trenova.importing.maps import MAPS, MapError, mapper

CLOUDTRAIL: dict[str, Any] = {
    "eventID": "D8A9F5A1-7C5E-4B5C-9C5F-0A1B2C3D4E5F",
    "eventTime": "2023-07-10T11:42:36Z",
    "eventSource": "s3.amazonaws.com",
    "eventName": "GetBucketAcl",
    "userIdentity": {"type": "IAMUser", "arn": "arn:aws:iam::1:user/ann", "userName": "ann"},
    "recipientAccountId": "123837392027",
    "sourceIPAddress": "10.0.0.1",
}
KUBERNETES: dict[str, Any] = {
    "auditID": "033d17af-082d-4b24-aa22-627752e83d71",
    "stage": "ResponseComplete",
    "requestReceivedTimestamp": "2024-05-01T10:00:00.123456Z",
    "verb": "create",
    "user": {"username": "system:serviceaccount:ns1:sa1"},
    "objectRef": {"resource": "pods", "subresource": "exec", "namespace": "ns1", "name": "web"},
    "responseStatus": {"code": 101},
}
OKTA: dict[str, Any] = {
    "uuid": "44aeb388-08b4-11ef-9cec-73ffcb6f9fdd",
    "published": "2022-03-22 14:21:53.225",
    "eventType": "user.session.start",
    "actor": {"type": "User", "id": "00u1", "displayName": "Ann"},
    "outcome": {"result": "SUCCESS"},
}
GITHUB: dict[str, Any] = {
    "_document_id": "abCD",
    "@timestamp": 1621305118553,
    "action": "repo.create",
    "actor": "ann",
    "repo": "o/r",
}
GCP: dict[str, Any] = {
    "insertId": "x1",
    "timestamp": "2023-03-09T16:28:40.890430163Z",
    "logName": "projects/p/logs/a",
    "resource": {"type": "gcs_bucket", "labels": {"project_id": "p"}},
    "protoPayload": {
        "methodName": "storage.objects.get",
        "serviceName": "storage.googleapis.com",
        "resourceName": "projects/_/buckets/b",
        "authenticationInfo": {"principalEmail": "ann@example.com"},
    },
}
GOOD: dict[str, dict[str, Any]] = {
    "cloudtrail": CLOUDTRAIL,
    "kubernetes": KUBERNETES,
    "okta": OKTA,
    "github": GITHUB,
    "gcp": GCP,
}


def entry(name: str, tenant: str | None = None, **changed: Any) -> dict[str, Any]:
    return MAPS[name]({**GOOD[name], **changed}, tenant=tenant)


def gcp(**changed: Any) -> dict[str, Any]:
    return entry("gcp", protoPayload={**GCP["protoPayload"], **changed})


def test_a_cloudtrail_event_becomes_an_entry() -> None:
    assert entry("cloudtrail") == {
        "id": "d8a9f5a1-7c5e-4b5c-9c5f-0a1b2c3d4e5f",
        "tenant": "123837392027",
        "occurred_at": "2023-07-10T11:42:36Z",
        "actor": {"type": "IAMUser", "id": "arn:aws:iam::1:user/ann", "name": "ann"},
        "action": "s3.get_bucket_acl",
        "target": {"type": "service", "id": "s3.amazonaws.com"},
        "outcome": "success",
        "context": {"ip": "10.0.0.1"},
        "metadata": {"cloudtrail": CLOUDTRAIL},
    }


def test_ids_never_change() -> None:
    """With other ids every record that is already stored would be imported a second time."""
    assert entry("cloudtrail", eventID="x")["id"] == "14b446fd-b689-5cb6-aae7-4cd9af965aae"
    assert {name: entry(name)["id"] for name in GOOD} == {
        "cloudtrail": "d8a9f5a1-7c5e-4b5c-9c5f-0a1b2c3d4e5f",
        "kubernetes": "9a588156-80f7-56d0-9410-ac84062c9ffe",
        "okta": "44aeb388-08b4-11ef-9cec-73ffcb6f9fdd",
        "github": "b10cb3dd-c549-5bc0-a93f-c5bd3d34a7e4",
        "gcp": "14ed68d0-6ff2-5a7f-b05b-84da54b0b53f",
    }
    assert mapper("none")({"a": 1})["id"] == "42c26527-4f20-5bfa-8324-98866461ec97"


@pytest.mark.parametrize(
    ("source", "name", "action"),
    [
        ("s3", "GetBucketACL", "s3.get_bucket_acl"),
        ("rds", "CreateDBInstance", "rds.create_db_instance"),
        ("ec2", "DescribeInstancesV2", "ec2.describe_instances_v2"),
        ("iam", "ListSSHPublicKeys", "iam.list_ssh_public_keys"),
        ("ec2", "DescribeVPCs", "ec2.describe_vpcs"),
        ("lambda", "GetFunction20150331v2", "lambda.get_function20150331v2"),
        ("resource-explorer-2", "ListIndexes", "resource-explorer-2.list_indexes"),
        ("s3", "REST.GET.OBJECT", "s3.rest.get.object"),
        ("s3", "Get Bucket/ACL!", "s3.get_bucket_acl"),
    ],
)
def test_camel_case_becomes_snake_case(source: str, name: str, action: str) -> None:
    assert entry("cloudtrail", eventSource=f"{source}.amazonaws.com", eventName=name)["action"] == action


@pytest.mark.parametrize(
    ("identity", "type_", "id_"),
    [
        ({"invokedBy": "health.amazonaws.com", "accountId": "1"}, "AWSService", "health.amazonaws.com"),
        ({"type": "AssumedRole", "principalId": "AROA:x"}, "AssumedRole", "AROA:x"),
        ({"type": "IdentityCenterUser", "onBehalfOf": {"userId": "u1"}}, "IdentityCenterUser", "u1"),
        ({"type": "AWSAccount", "accountId": 1}, "AWSAccount", "1"),
        ({"type": "Unknown", "principalId": "", "accountId": ""}, "Unknown", "unknown"),
    ],
)
def test_every_kind_of_aws_identity_has_an_id(identity: dict[str, Any], type_: str, id_: str) -> None:
    actor = entry("cloudtrail", userIdentity=identity)["actor"]
    assert (actor["type"], actor["id"]) == (type_, id_)


@pytest.mark.parametrize(
    ("changed", "outcome"),
    [
        ({"errorCode": "AccessDenied"}, "denied"),
        ({"errorCode": "Client.UnauthorizedOperation"}, "denied"),
        ({"errorCode": 403}, "denied"),
        ({"errorCode": "ThrottlingException"}, "failure"),
        ({"errorCode": {}}, "failure"),
        ({"errorCode": None}, "success"),
        ({"responseElements": {"ConsoleLogin": "Failure"}}, "failure"),
        ({"responseElements": "none"}, "success"),
    ],
)
def test_the_outcome_of_a_cloudtrail_event(changed: dict[str, Any], outcome: str) -> None:
    assert entry("cloudtrail", **changed)["outcome"] == outcome


def test_logstash_leaves_only_its_own_time() -> None:
    event = {key: value for key, value in CLOUDTRAIL.items() if key != "eventTime"}
    mapped = MAPS["cloudtrail"]({**event, "@timestamp": "2020-09-14T00:44:23.000Z"}, tenant=None)
    assert mapped["occurred_at"] == "2020-09-14T00:44:23Z"
    with pytest.raises(MapError, match="eventTime: expected a time, found nothing, and no @timestamp either"):
        MAPS["cloudtrail"](event, tenant=None)


def test_a_host_name_is_not_an_ip() -> None:
    assert entry("cloudtrail", sourceIPAddress="AWS Internal")["context"] == {"source_host": "AWS Internal"}


def test_the_first_resource_with_a_full_name_is_the_target() -> None:
    prefix = {"type": "AWS::S3::Object", "ARNPrefix": "arn:aws:s3:::b/"}
    bucket = {"type": "AWS::S3::Bucket", "ARN": "arn:aws:s3:::b"}
    assert entry("cloudtrail", resources=[None, prefix, bucket])["target"]["id"] == "arn:aws:s3:::b"
    assert entry("cloudtrail", resources=[prefix])["target"]["id"] == "arn:aws:s3:::b/"
    assert entry("cloudtrail", resources=[{"ARN": "arn:aws:ssm:x"}])["target"]["type"] == "ssm"


@pytest.mark.parametrize("name", ["cloudtrail", "github", "gcp"])
def test_the_callers_tenant_replaces_that_of_the_record(name: str) -> None:
    assert entry(name, tenant="acme")["tenant"] == "acme"


@pytest.mark.parametrize("name", ["kubernetes", "okta"])
def test_without_a_tenant_in_the_record_the_api_key_decides(name: str) -> None:
    assert "tenant" not in entry(name)


def test_an_account_that_became_a_number_gets_its_zeros_back() -> None:
    assert entry("cloudtrail", recipientAccountId=7392027)["tenant"] == "000007392027"


def test_an_invalid_tenant_is_refused_with_the_next_step() -> None:
    with pytest.raises(MapError, match="name one with --tenant"):
        entry("gcp", resource={"labels": {"project_id": "example.com:p"}})


def test_long_ids_are_refused_and_long_context_is_left_out() -> None:
    with pytest.raises(MapError, match=r"actor\.id: expected at most 512 characters, found 513"):
        entry("github", actor="a" * 513)
    mapped = entry("cloudtrail", userAgent="u" * 4097)
    assert "user_agent" not in mapped["context"]
    assert mapped["metadata"]["cloudtrail"]["userAgent"] == "u" * 4097


@pytest.mark.parametrize(
    ("changed", "action", "target"),
    [
        ({}, "pods.exec.create", {"type": "pods", "id": "ns1/web"}),
        ({"objectRef": {"resource": "nodes", "name": "n1"}, "verb": "get"}, "nodes.get", {"type": "nodes", "id": "n1"}),
        ({"objectRef": {"resource": "pods"}, "verb": "list"}, "pods.list", {"type": "pods", "id": "*"}),
        (
            {"objectRef": {"resource": "pods", "namespace": "a"}, "responseObject": {"metadata": {"name": "web-1"}}},
            "pods.create",
            {"type": "pods", "id": "a/web-1"},
        ),
        (
            {"objectRef": None, "verb": "get", "requestURI": "/healthz?verbose=1"},
            "nonresource.get",
            {"type": "nonresource_url", "id": "/healthz"},
        ),
    ],
)
def test_the_action_and_target_of_a_kubernetes_event(
    changed: dict[str, Any], action: str, target: dict[str, str]
) -> None:
    mapped = entry("kubernetes", **changed)
    assert (mapped["action"], mapped["target"]) == (action, target)


@pytest.mark.parametrize(
    ("user", "type_"),
    [
        ("system:serviceaccount:ns1:sa1", "service_account"),
        ("system:node:n1", "node"),
        ("system:anonymous", "anonymous"),
        ("system:admin", "system"),
        ("ann@example.com", "user"),
    ],
)
def test_the_type_of_a_kubernetes_user_follows_from_its_name(user: str, type_: str) -> None:
    assert entry("kubernetes", user={"username": user})["actor"]["type"] == type_


@pytest.mark.parametrize(("code", "outcome"), [(200, "success"), (403, "denied"), ("401", "denied"), (404, "failure")])
def test_the_outcome_of_a_kubernetes_event(code: object, outcome: str) -> None:
    assert entry("kubernetes", responseStatus={"code": code})["outcome"] == outcome


def test_kubernetes_events_of_one_request_with_other_bodies_are_all_kept() -> None:
    first = entry("kubernetes", requestObject={"a": 1, "b": 2})
    assert first["id"] != entry("kubernetes", requestObject={"a": 2, "b": 2})["id"]
    assert first["id"] == entry("kubernetes", requestObject={"b": 2, "a": 1})["id"]


def test_an_event_in_azures_envelope_is_unwrapped() -> None:
    log = '{"verb":"get","user":{"username":"a"},"requestURI":"/api","timestamp":"2024-01-01T00:00:00Z"}'
    wrapped = {"category": "kube-audit", "properties": {"log": log}}
    assert MAPS["kubernetes"](wrapped, tenant=None)["action"] == "nonresource.get"
    with pytest.raises(MapError, match=r"properties\.log: expected the JSON"):
        MAPS["kubernetes"]({"properties": {"log": "{"}}, tenant=None)


def test_okta_times_without_an_offset_are_utc_and_kubernetes_ones_are_refused() -> None:
    assert entry("okta")["occurred_at"] == "2022-03-22T14:21:53.225000Z"
    with pytest.raises(MapError, match="requestReceivedTimestamp"):
        entry("kubernetes", requestReceivedTimestamp="2022-03-22 14:21:53.225")


@pytest.mark.parametrize(
    ("result", "outcome"),
    [("SUCCESS", "success"), ("ALLOW", "success"), ("DENY", "denied"), ("FAILURE", "failure"), ("UNKNOWN", "failure")],
)
def test_the_outcome_of_an_okta_event(result: str, outcome: str) -> None:
    assert entry("okta", outcome={"result": result})["outcome"] == outcome


def test_an_okta_event_without_a_target_is_about_the_service() -> None:
    assert entry("okta", target=None)["target"] == {"type": "service", "id": "okta"}
    label = {"type": "AppInstance", "alternateId": "Console", "id": ""}
    assert entry("okta", target=[None, label])["target"]["id"] == "Console"


@pytest.mark.parametrize("value", [1621305118553, 1621305118553.0, "1621305118553", "2021-05-18 02:31:58.553"])
def test_github_times_are_milliseconds_or_spelled_out(value: object) -> None:
    assert MAPS["github"]({**GITHUB, "@timestamp": value}, tenant=None)["occurred_at"] == "2021-05-18T02:31:58.553000Z"


@pytest.mark.parametrize(
    "value", [1621305118, 1621305118553000, True, "2024-12-17 00:00:00000000", [], "2023-02-29T00:00:00Z"]
)
def test_other_times_are_refused(value: object) -> None:
    with pytest.raises(MapError, match=r"^@timestamp: expected"):
        MAPS["github"]({**GITHUB, "@timestamp": value}, tenant=None)


@pytest.mark.parametrize(
    ("changed", "target"),
    [
        ({"action": "team.destroy", "data": {"team": "o/t"}}, {"type": "team", "id": "o/t"}),
        ({"action": "org.add_member", "user": "bob"}, {"type": "user", "id": "bob"}),
        ({"action": "hook.create", "repo": "", "repository": "o/r2"}, {"type": "repo", "id": "o/r2"}),
    ],
)
def test_github_targets_go_by_the_action(changed: dict[str, Any], target: dict[str, str]) -> None:
    assert entry("github", **changed)["target"] == target


@pytest.mark.parametrize(
    ("method", "action"),
    [
        ("google.iam.admin.v1.CreateServiceAccountKey", "iam.admin.create_service_account_key"),
        ("storage.objects.get", "storage.objects.get"),
        ("v1.compute.instances.insert", "compute.instances.insert"),
        ("google.cloud.bigquery.v2.JobService.InsertJob", "bigquery.job_service.insert_job"),
        ("SetIamPolicy", "storage.set_iam_policy"),
        ("io.k8s.core.v1.pods.list", "k8s.core.pods.list"),
        ("/google.pubsub.v1.Publisher/CreateTopic", "pubsub.publisher.create_topic"),
    ],
)
def test_gcp_methods_lose_versions_and_prefixes(method: str, action: str) -> None:
    assert gcp(methodName=method)["action"] == action


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ({}, "success"),
        ({"code": 0}, "success"),
        ({"code": 7}, "denied"),
        ({"code": "7"}, "denied"),
        ({"code": 5}, "failure"),
    ],
)
def test_the_outcome_of_a_gcp_event(status: dict[str, Any], outcome: str) -> None:
    assert gcp(status=status)["outcome"] == outcome


def test_a_caller_that_google_redacted_is_unknown() -> None:
    assert gcp(authenticationInfo={})["actor"] == {"type": "unknown", "id": "unknown"}


def test_nanoseconds_are_truncated_and_offsets_converted_to_utc() -> None:
    assert entry("gcp")["occurred_at"] == "2023-03-09T16:28:40.890430Z"
    assert entry("gcp", timestamp="2023-03-09T18:28:40+02:00")["occurred_at"] == "2023-03-09T16:28:40Z"


def test_a_gcp_insert_id_counts_within_its_log_and_time() -> None:
    assert entry("gcp")["id"] != entry("gcp", logName="projects/p/logs/b")["id"]
    assert entry("gcp")["id"] == entry("gcp", severity="INFO")["id"]


def test_none_passes_entries_through_and_keeps_equal_lines() -> None:
    own = {"id": "anything", "unknown": 1}
    assert mapper("none")(own) == own
    first, again = mapper("none"), mapper("none", tenant="acme")
    ids = [first({"action": "a.b"})["id"] for _ in range(3)]
    assert len(set(ids)) == 3
    assert [again({"action": "a.b"})["id"] for _ in range(3)] == ids
    assert again(own) == {**own, "tenant": "acme"}


@pytest.mark.parametrize(("name", "tenant"), [("azure", None), ("none", "no tenant"), ("okta", "")])
def test_an_unknown_map_or_a_bad_tenant_is_the_callers_error(name: str, tenant: str | None) -> None:
    with pytest.raises(InvalidRequest) as caught:
        mapper(name, tenant=tenant)
    assert caught.value.hint is not None
