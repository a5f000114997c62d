"""Webhooks: what the ledger records, told to others: at least once, and in order per credential."""
