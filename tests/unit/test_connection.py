"""What the settings become when a process reaches for Temporal: on this machine, on a cluster, on Temporal Cloud."""

from pathlib import Path

import pytest
from temporalio.converter import DataConverter
from temporalio.service import ConnectConfig, TLSConfig

from trenova.config import Settings, Temporal, Tls, load
from trenova.connection import connect, tls_of
from trenova.dev import ports
from trenova.errors import InvalidConfiguration, Unavailable


async def connection_of(temporal: Temporal) -> ConnectConfig:
    client = await connect(temporal, DataConverter.default, lazy=True)
    return client.service_client.config


def tls(**settings: object) -> Tls:
    return Tls.model_validate(settings)


async def test_on_this_machine_nothing_is_secured() -> None:
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
    for name in ("cert", "key", "ca"):
        (tmp_path / name).write_text(f"the {name}")
    temporal = load(
        {
            "TEMPORAL_TLS_CLIENT_CERT_PATH": str(tmp_path / "cert"),
            "TEMPORAL_TLS_CLIENT_KEY_PATH": str(tmp_path / "key"),
            "TEMPORAL_TLS_SERVER_CA_CERT_PATH": str(tmp_path / "ca"),
            "TEMPORAL_TLS_SERVER_NAME": "name",
        }
    ).temporal
    assert (await connection_of(temporal)).tls == TLSConfig(
        server_root_ca_cert=b"the ca", client_cert=b"the cert", client_private_key=b"the key", domain="name"
    )


async def test_certificates_given_as_text_reach_temporal() -> None:
    temporal = load(
        {
            "TEMPORAL_TLS_CLIENT_CERT_DATA": "the cert",
            "TEMPORAL_TLS_CLIENT_KEY_DATA": "the key",
            "TEMPORAL_TLS_SERVER_CA_CERT_DATA": "the ca",
        }
    ).temporal
    assert (await connection_of(temporal)).tls == TLSConfig(
        server_root_ca_cert=b"the ca", client_cert=b"the cert", client_private_key=b"the key"
    )


def test_a_private_authority_needs_no_certificate_of_our_own(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("the ca")
    assert tls_of(tls(caFile=tmp_path / "ca.pem")) == TLSConfig(server_root_ca_cert=b"the ca")


def test_tls_is_the_choice_of_the_sdk_unless_it_is_given() -> None:
    assert tls_of(tls()) is None
    assert tls_of(tls(enabled=True)) is True
    assert tls_of(tls(enabled=False, certData="c", keyData="k")) is False


@pytest.mark.parametrize("half", [{"certData": "c"}, {"keyData": "k"}])
def test_a_certificate_without_its_key_is_an_error(half: dict[str, str]) -> None:
    with pytest.raises(InvalidConfiguration, match="a certificate and its key are needed together"):
        tls_of(tls(**half))


def test_a_certificate_that_cannot_be_read_is_an_error_that_names_setting_and_file(tmp_path: Path) -> None:
    missing = tmp_path / "gone.pem"
    with pytest.raises(InvalidConfiguration, match=f"temporal.tls.certFile: {missing} cannot be read: No such file"):
        tls_of(tls(certFile=missing, keyData="k"))


async def test_nobody_at_the_address_is_unavailable_in_the_words_of_the_guide() -> None:
    address = f"127.0.0.1:{ports.choose()}"
    with pytest.raises(Unavailable, match=f"failed to dial temporal client at {address}") as caught:
        await connect(Temporal.model_validate({"hostPort": address}), DataConverter.default)
    assert caught.value.hint is not None
    assert "temporal server start-dev" in caught.value.hint
    assert "\n" not in caught.value.message
