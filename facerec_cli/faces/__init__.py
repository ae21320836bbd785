"""Photo to chip: decode, detect, align."""
