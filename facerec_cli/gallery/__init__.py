"""Embeddings to nearest people: who is enrolled, and who a probe looks like."""
