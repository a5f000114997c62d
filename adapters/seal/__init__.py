"""The seal: a book's events as the leaves of a log that others can check. docs/proofs.md has the formats."""
