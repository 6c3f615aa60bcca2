"""The public keys that the API has of the keys that sign checkpoints."""

from pathlib import Path

import pytest

from trenova.api.ledger_keys import load_ledger_keys
from trenova.config import Settings
from trenova.errors import NotFound
from trenova.keys.signing import VARIABLE, load_signer
from trenova.ledger.signing import Signer

KEYS = "\n".join(Signer(name=name, seed=bytes([seed] * 32)).secret_text for name, seed in (("old", 1), ("new", 2)))
SETTINGS = Settings.model_validate({"ledger": {"origin": "audit.example.com/v1/log"}})


def test_the_keys_are_those_of_the_workers_in_the_same_order() -> None:
    environ = {VARIABLE: KEYS}
    assert load_ledger_keys(SETTINGS, environ).of("acme") == load_signer(SETTINGS, environ).keys("acme")


@pytest.mark.parametrize(
    ("ledger", "environ"), [({}, {}), ({"signingKeyFile": Path("/nowhere")}, {}), ({}, {VARIABLE: "spoiled"})]
)
def test_without_a_valid_key_the_api_starts_and_says_where_to_get_the_keys(
    ledger: dict[str, Path], environ: dict[str, str]
) -> None:
    keys = load_ledger_keys(Settings.model_validate({"ledger": ledger}), environ)
    with pytest.raises(NotFound) as failure:
        keys.of("acme")
    assert "trenova keys public" in (failure.value.note or "")
    assert "ask its operator" in (failure.value.hint or "")
