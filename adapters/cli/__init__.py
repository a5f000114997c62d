"""The command line: arguments in, use cases called, text or JSON out."""
