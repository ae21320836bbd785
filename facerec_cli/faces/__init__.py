"""Photo to chip: decode, detect, align."""

WORKING_SIZE = 640
"""Default bound on a photo's longer side at detection, pixels."""
