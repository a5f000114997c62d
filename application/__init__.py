"""Use cases and the ports they need. No driver, no framework."""
