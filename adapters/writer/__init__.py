"""The way of a command to the ledger, in this process or over a socket to the one that writes."""
