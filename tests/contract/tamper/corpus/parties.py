"""Whose ledgers and keys the cases are about: acme's, globex's with the same secret, and a witness's."""

from dataclasses import replace

from trenova.ledger import note, signing
from unit.ledger.sample_ledgers import ORIGIN, PREFIX, SIGNER, SampleLedger, sample_ledger

ACME = sample_ledger(300)
GLOBEX: SampleLedger = replace(sample_ledger(301), tenant="globex")
WITNESS = signing.Signer(name="witness.example/w1", seed=bytes([7]) * 32, algorithm=note.COSIGNATURE)
AS_WITNESS = signing.Signer(name=ORIGIN, seed=SIGNER.seed, algorithm=note.COSIGNATURE)
KEY = SIGNER.key.text
GLOBEX_KEY = SIGNER.with_name(f"{PREFIX}/globex").key.text
