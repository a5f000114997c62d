"""Replays of whole banks: snapshots of histories as columns, engines that replay them, and what the replays come to."""
