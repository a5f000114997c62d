"""Sealbook: an event-sourced ledger of authentication credentials."""

__version__ = "0.1.0"
