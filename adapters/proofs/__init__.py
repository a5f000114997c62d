"""Proofs of a use: one-time codes and the seeds that make them, device keys, challenges and signatures."""
