"""Chip to embedding: model bundles and the runtime that runs them."""
