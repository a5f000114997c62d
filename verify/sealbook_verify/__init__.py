"""Checks the proofs of a Sealbook ledger. Written from docs/proofs.md; it shares no code with the ledger."""

__version__ = "0.1.0"
