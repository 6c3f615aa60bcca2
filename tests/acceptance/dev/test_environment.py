"""What of the environment of whoever types `trenova dev` reaches its parts."""

from trenova.dev.environment import own_world


def test_variables_that_point_to_other_servers_are_not_passed_on() -> None:
    kept = {"TEMPORAL_ENCRYPTION_KEY": "k", "TRENOVA_TEMPORAL__SECURITY__ENABLE_ENCRYPTION": "true", "PATH": "p"}
    foreign = ["PGHOST", "PGOPTIONS", "TEMPORAL_ADDRESS", "TEMPORAL_TLS_CLIENT_CERT_PATH", "TEMPORAL_PROFILE"]
    foreign += ["TRENOVA_DATABASE__URL", "TRENOVA_TEMPORAL__TLS__ENABLED", "TRENOVA_TEMPORAL__API_KEY"]
    assert own_world(kept | dict.fromkeys(foreign, "x")) == kept
