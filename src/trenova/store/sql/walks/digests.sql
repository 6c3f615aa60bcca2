-- How many rows of each ledger a walk meets, and a digest of their ids in any order.
SELECT tenant, count(*), bit_xor(uuid_hash_extended(id, 0)) FROM ({walk}) AS walked GROUP BY tenant
