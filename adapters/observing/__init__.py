"""What the running service tells of itself: log lines, metrics, whether it is ready. It knows no HTTP."""
