"""The ledger's own DDL: numbered, checked by checksum, run once by the maintenance role."""
