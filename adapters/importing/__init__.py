"""Imports of files: in one process, or a large file in several."""
