"""Settings: every source and its precedence."""

from pathlib import Path

import pytest

from trenova.config import Settings, load
from unit.config.conftest import SECRET, write_profiles, write_yaml

REPOSITORY = Path(__file__).parents[3]


def test_without_any_source_the_defaults_apply() -> None:
    assert load({}) == Settings()


def test_the_settings_file_of_the_repository_holds_the_defaults() -> None:
    assert load({}, file=REPOSITORY / "config" / "config.yaml") == Settings()


def test_defaults_are_those_of_the_documented_set_up() -> None:
    settings = Settings()
    assert (settings.temporal.host_port, settings.temporal.namespace) == ("localhost:7233", "default")
    security = settings.temporal.security
    assert (security.enable_encryption, security.encryption_key_id) == (False, "default")
    assert (security.enable_compression, security.compression_threshold) == (True, 1024)
    worker = settings.worker
    assert (worker.max_concurrent_activity_execution_size, worker.max_concurrent_workflow_task_execution_size) == (
        10,
        10,
    )
    assert (worker.max_concurrent_workflow_task_pollers, worker.max_concurrent_activity_task_pollers) == (2, 2)
    assert (settings.api.host, settings.api.port) == ("127.0.0.1", 8080)


def test_the_default_file_is_read_from_the_working_folder() -> None:
    write_yaml("temporal: {hostPort: 'from-file:7233'}")
    assert load({}).temporal.host_port == "from-file:7233"


def test_a_named_file_replaces_the_default_file_and_the_argument_overrides_the_variable() -> None:
    write_yaml("api: {port: 1}")
    write_yaml("api: {port: 2}", "other.yaml")
    write_yaml("api: {port: 3}", "third.yaml")
    assert load({"TRENOVA_CONFIG": "other.yaml"}).api.port == 2
    assert load({"TRENOVA_CONFIG": "other.yaml"}, file=Path("third.yaml")).api.port == 3


def test_each_source_overrides_the_one_before(home: Path) -> None:
    def address(environ: dict[str, str] | None = None) -> str:
        return load(environ or {}).temporal.host_port

    assert address() == "localhost:7233"
    write_profiles(home, '[profile.default]\naddress = "profile:1"\n[profile.selected]\naddress = "selected:3"\n')
    assert address() == "profile:1"
    write_yaml("temporal: {hostPort: 'yaml:2'}")
    assert address() == "yaml:2"
    assert address({"TEMPORAL_PROFILE": "selected"}) == "selected:3"
    assert address({"TEMPORAL_PROFILE": "selected", "TEMPORAL_ADDRESS": "variable:4"}) == "variable:4"
    assert address({"TEMPORAL_ADDRESS": "variable:4"}) == "variable:4"
    ours = {"TRENOVA_TEMPORAL__HOST_PORT": "ours:5"}
    assert address({"TEMPORAL_PROFILE": "selected", "TEMPORAL_ADDRESS": "variable:4", **ours}) == "ours:5"


def test_sources_are_merged_setting_by_setting() -> None:
    write_yaml("temporal: {hostPort: 'yaml:2', security: {encryptionKeyID: prod}}\napi: {host: 0.0.0.0}")
    settings = load(
        {
            "TEMPORAL_NAMESPACE": "audit",
            "TRENOVA_TEMPORAL__SECURITY__ENABLE_COMPRESSION": "false",
            "TRENOVA_API__PORT": "81",
        }
    )
    assert (settings.temporal.host_port, settings.temporal.namespace) == ("yaml:2", "audit")
    assert settings.temporal.security.encryption_key_id == "prod"
    assert settings.temporal.security.enable_compression is False
    assert (settings.api.host, settings.api.port) == ("0.0.0.0", 81)


def test_a_profile_of_a_named_toml_file_counts_as_selected() -> None:
    write_yaml("temporal: {namespace: yaml}")
    Path("mine.toml").write_text('[profile.default]\nnamespace = "mine"\n')
    assert load({"TEMPORAL_CONFIG_FILE": "mine.toml"}).temporal.namespace == "mine"


@pytest.mark.parametrize(
    ("name", "text", "path", "value"),
    [
        ("TRENOVA_TEMPORAL__HOST_PORT", "t:1", "temporal.host_port", "t:1"),
        ("TRENOVA_TEMPORAL__NAMESPACE", "audit", "temporal.namespace", "audit"),
        ("TRENOVA_TEMPORAL__TLS__CERT_FILE", "c.pem", "temporal.tls.cert_file", Path("c.pem")),
        ("TRENOVA_TEMPORAL__SECURITY__ENABLE_ENCRYPTION", "true", "temporal.security.enable_encryption", True),
        ("TRENOVA_TEMPORAL__SECURITY__ENCRYPTION_KEY_ID", "k2", "temporal.security.encryption_key_id", "k2"),
        ("TRENOVA_TEMPORAL__SECURITY__ENABLE_COMPRESSION", "0", "temporal.security.enable_compression", False),
        ("TRENOVA_TEMPORAL__SECURITY__COMPRESSION_THRESHOLD", "0", "temporal.security.compression_threshold", 0),
        (
            "TRENOVA_WORKER__MAX_CONCURRENT_ACTIVITY_EXECUTION_SIZE",
            "7",
            "worker.max_concurrent_activity_execution_size",
            7,
        ),
        (
            "TRENOVA_WORKER__MAX_CONCURRENT_WORKFLOW_TASK_EXECUTION_SIZE",
            "8",
            "worker.max_concurrent_workflow_task_execution_size",
            8,
        ),
        ("TRENOVA_WORKER__MAX_CONCURRENT_WORKFLOW_TASK_POLLERS", "5", "worker.max_concurrent_workflow_task_pollers", 5),
        ("TRENOVA_WORKER__MAX_CONCURRENT_ACTIVITY_TASK_POLLERS", "6", "worker.max_concurrent_activity_task_pollers", 6),
        ("TRENOVA_WORKER__DRAIN_SECONDS", "1.5", "worker.drain_seconds", 1.5),
        ("TRENOVA_DATABASE__POOL_SIZE", "3", "database.pool_size", 3),
        ("TRENOVA_API__WAIT_STORED_SECONDS", "2", "api.wait_stored_seconds", 2.0),
        ("TRENOVA_LIMITS__MAX_ENTRY_BYTES", "2048", "limits.max_entry_bytes", 2048),
        ("TRENOVA_LOG__FORMAT", "json", "log.format", "json"),
    ],
)
def test_a_variable_sets_the_setting_of_its_path(name: str, text: str, path: str, value: object) -> None:
    setting: object = load({name: text})
    for part in path.split("."):
        setting = getattr(setting, part)
    assert setting == value


def test_an_empty_variable_sets_nothing() -> None:
    write_yaml("temporal: {namespace: audit}")
    settings = load({"TRENOVA_TEMPORAL__NAMESPACE": "", "TEMPORAL_NAMESPACE": "", "TRENOVA_CONFIG": ""})
    assert settings.temporal.namespace == "audit"


def test_variables_of_other_parts_of_the_program_are_not_settings() -> None:
    environ = {"TRENOVA_DATA_DIR": "d", "TRENOVA_API_URL": "u", "TRENOVA_API_KEY": "k", "PATH": "/bin"}
    environ["TRENOVA_SIGNING_KEY"] = SECRET
    assert load(environ) == Settings()


def test_encryption_keys_are_left_to_the_codec() -> None:
    assert load({"TEMPORAL_ENCRYPTION_KEY": SECRET, "TEMPORAL_ENCRYPTION_KEY_prod": SECRET}) == Settings()


# Temporal Cloud


def test_the_official_variables_for_temporal_cloud_are_read() -> None:
    temporal = load(
        {
            "TEMPORAL_ADDRESS": "ns.acct.tmprl.cloud:7233",
            "TEMPORAL_NAMESPACE": "ns.acct",
            "TEMPORAL_API_KEY": SECRET,
            "TEMPORAL_TLS_SERVER_NAME": "other.example",
            "TEMPORAL_GRPC_META_TEAM": "audit",
        }
    ).temporal
    assert (temporal.host_port, temporal.namespace) == ("ns.acct.tmprl.cloud:7233", "ns.acct")
    assert temporal.api_key is not None
    assert temporal.api_key.get_secret_value() == SECRET
    assert temporal.tls.server_name == "other.example"
    assert {name: value.get_secret_value() for name, value in temporal.grpc_meta.items()} == {"team": "audit"}


def test_certificates_come_as_files_or_as_their_text() -> None:
    files = load(
        {
            "TEMPORAL_TLS_CLIENT_CERT_PATH": "c.pem",
            "TEMPORAL_TLS_CLIENT_KEY_PATH": "k.pem",
            "TEMPORAL_TLS_SERVER_CA_CERT_PATH": "ca.pem",
        }
    ).temporal.tls
    assert (files.cert_file, files.key_file, files.ca_file) == (Path("c.pem"), Path("k.pem"), Path("ca.pem"))
    texts = load(
        {
            "TEMPORAL_TLS_CLIENT_CERT_DATA": "CERT",
            "TEMPORAL_TLS_CLIENT_KEY_DATA": SECRET,
            "TEMPORAL_TLS_SERVER_CA_CERT_DATA": "CA",
        }
    ).temporal.tls
    assert (texts.cert_data, texts.ca_data) == ("CERT", "CA")
    assert texts.key_data is not None
    assert texts.key_data.get_secret_value() == SECRET


@pytest.mark.parametrize(("text", "enabled"), [("true", True), ("false", False)])
def test_tls_can_be_turned_on_and_off(text: str, enabled: bool) -> None:  # noqa: FBT001 - an example
    assert load({"TEMPORAL_TLS": text}).temporal.tls.enabled is enabled


def test_temporal_cloud_in_yaml() -> None:
    write_yaml(
        """
        temporal:
          hostPort: "ns.acct.tmprl.cloud:7233"
          namespace: ns.acct
          apiKey: k
          tls: {certFile: c.pem, keyFile: k.pem, caFile: ca.pem, serverName: n}
          security: {enableEncryption: true, encryptionKeyID: production}
        """
    )
    temporal = load({}).temporal
    assert temporal.api_key is not None
    assert temporal.tls.server_name == "n"
    assert temporal.security.enable_encryption is True


def test_settings_cannot_be_changed() -> None:
    settings = Settings()
    with pytest.raises(Exception, match="frozen"):
        settings.api.port = 1  # type: ignore[misc]
