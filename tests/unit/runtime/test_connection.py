"""The connection that follows from the settings: on this machine, on a cluster, on Temporal Cloud."""

from pathlib import Path

import pytest
from temporalio.converter import DataConverter
from temporalio.service import ConnectConfig, TLSConfig

from certificates import Authority
from trenova.config import Settings, TemporalSettings, TlsSettings, load
from trenova.dev import ports
from trenova.errors import InvalidConfiguration, Unavailable
from trenova.runtime.connection import connect, tls_of


async def connection_of(temporal: TemporalSettings) -> ConnectConfig:
    client = await connect(temporal, DataConverter.default, lazy=True)
    return client.service_client.config


def tls(**settings: object) -> TlsSettings:
    return TlsSettings.model_validate(settings)


async def test_on_this_machine_there_is_neither_tls_nor_an_api_key() -> None:
    config = await connection_of(Settings().temporal)
    assert config.target_host == "localhost:7233"
    assert not config.tls
    assert config.api_key is None


async def test_an_api_key_alone_reaches_temporal_cloud_over_tls() -> None:
    temporal = load(
        {
            "TEMPORAL_ADDRESS": "ns.acct.tmprl.cloud:7233",
            "TEMPORAL_NAMESPACE": "ns.acct",
            "TEMPORAL_API_KEY": "secret",
            "TEMPORAL_GRPC_META_TEAM": "audit",
        }
    ).temporal
    client = await connect(temporal, DataConverter.default, lazy=True)
    config = client.service_client.config
    assert client.namespace == "ns.acct"
    assert config.target_host == "ns.acct.tmprl.cloud:7233"
    assert config.api_key == "secret"
    assert config.rpc_metadata == {"team": "audit"}
    assert config.tls is True or (config.tls is None and config._to_bridge_config().tls_config is not None)


async def test_certificates_from_files_reach_temporal(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair = authority.issue("client")
    temporal = load(
        {
            "TEMPORAL_TLS_CLIENT_CERT_PATH": str(pair.certificate),
            "TEMPORAL_TLS_CLIENT_KEY_PATH": str(pair.key),
            "TEMPORAL_TLS_SERVER_CA_CERT_PATH": str(authority.certificate),
            "TEMPORAL_TLS_SERVER_NAME": "name",
        }
    ).temporal
    assert (await connection_of(temporal)).tls == TLSConfig(
        server_root_ca_cert=authority.certificate.read_bytes(),
        client_cert=pair.certificate.read_bytes(),
        client_private_key=pair.key.read_bytes(),
        domain="name",
    )


async def test_certificates_given_as_text_reach_temporal(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair = authority.issue("client")
    temporal = load(
        {
            "TEMPORAL_TLS_CLIENT_CERT_DATA": pair.certificate.read_text(),
            "TEMPORAL_TLS_CLIENT_KEY_DATA": pair.key.read_text(),
            "TEMPORAL_TLS_SERVER_CA_CERT_DATA": authority.certificate.read_text(),
        }
    ).temporal
    assert (await connection_of(temporal)).tls == TLSConfig(
        server_root_ca_cert=authority.certificate.read_bytes(),
        client_cert=pair.certificate.read_bytes(),
        client_private_key=pair.key.read_bytes(),
    )


def test_a_private_authority_needs_no_client_certificate(tmp_path: Path) -> None:
    authority = Authority(tmp_path).certificate
    assert tls_of(tls(caFile=authority)) == TLSConfig(server_root_ca_cert=authority.read_bytes())


def test_an_authority_may_be_in_a_bundle_with_text_between_and_certificates_that_cannot_be_read(tmp_path: Path) -> None:
    broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes("Autorité\n".encode() + broken + Authority(tmp_path).certificate.read_bytes())
    assert tls_of(tls(caFile=bundle)) == TLSConfig(server_root_ca_cert=bundle.read_bytes())


def test_text_that_is_not_pem_is_an_error_that_names_its_setting_but_not_the_text() -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        tls_of(tls(certData="hunter2", keyData="hunter3", caData="hunter4"))
    assert [problem.partition(": ")[0] for problem in caught.value.problems] == [
        "temporal.tls.caData",
        "temporal.tls.certData",
        "temporal.tls.keyData",
    ]
    assert "hunter" not in str(caught.value)


@pytest.mark.parametrize(
    "value", ["localhost:99999", "localhost:0", "localhost:http", "localhost", "https://localhost:7233", "a b:7233"]
)
def test_an_impossible_address_is_an_error_of_the_configuration(value: str) -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        load({"TEMPORAL_ADDRESS": value})
    assert caught.value.problems == (
        f"temporal.hostPort: {value!r} given, expected a host and a port from 1 to 65535, such as localhost:7233",
    )


@pytest.mark.parametrize("value", ["localhost:7233", "[::1]:1", "10.0.0.1:65535", "temporal_frontend.example:7233"])
def test_hosts_and_addresses_with_a_port_are_valid(value: str) -> None:
    assert load({"TEMPORAL_ADDRESS": value}).temporal.host_port == value


@pytest.mark.parametrize(
    ("variable", "value", "key"),
    [
        ("TEMPORAL_API_KEY", "hunter2\n", "temporal.apiKey"),
        ("TEMPORAL_API_KEY", "Bearer hunter2", "temporal.apiKey"),
        ("TEMPORAL_GRPC_META_TEAM", "hunter2\n", "temporal.grpcMeta"),
    ],
)
def test_a_value_that_cannot_be_a_header_is_an_error_that_hides_it(variable: str, value: str, key: str) -> None:
    """The SDK would drop it, and Temporal would report that there is none."""
    with pytest.raises(InvalidConfiguration) as caught:
        load({variable: value})
    assert caught.value.message.startswith(f"invalid configuration: {key}: (hidden) given, expected ")
    assert "hunter2" not in str(caught.value)


def test_a_name_that_no_certificate_can_contain_is_an_error() -> None:
    with pytest.raises(InvalidConfiguration, match=r"temporal\.tls\.serverName: .not a name!. given"):
        load({"TEMPORAL_TLS_SERVER_NAME": "not a name!"})


def test_the_sdk_decides_about_tls_unless_it_is_configured() -> None:
    assert tls_of(tls()) is None
    assert tls_of(tls(enabled=True)) is True
    assert tls_of(tls(enabled=False, certData="c", keyData="k")) is False


@pytest.mark.parametrize("half", ["cert", "key"])
def test_a_certificate_without_its_key_is_an_error(half: str, tmp_path: Path) -> None:
    pair = Authority(tmp_path).issue("client")
    given = {"certFile": pair.certificate} if half == "cert" else {"keyFile": pair.key}
    with pytest.raises(InvalidConfiguration, match="a certificate and its key are needed together"):
        tls_of(tls(**given))


def test_a_certificate_that_cannot_be_read_is_an_error_that_names_setting_and_file(tmp_path: Path) -> None:
    missing = tmp_path / "missing.pem"
    with pytest.raises(InvalidConfiguration, match=f"temporal.tls.certFile: {missing} cannot be read: No such file"):
        tls_of(tls(certFile=missing, keyData="k"))


async def test_a_refused_connection_is_reported_in_the_words_of_the_guide() -> None:
    address = f"127.0.0.1:{ports.choose()}"
    with pytest.raises(Unavailable, match=f"failed to dial temporal client at {address}") as caught:
        await connect(TemporalSettings.model_validate({"hostPort": address}), DataConverter.default)
    assert caught.value.hint is not None
    assert "temporal server start-dev" in caught.value.hint
    assert "\n" not in caught.value.message
