"""What the metadata of photos say of the people in them, for other programs and of other programs."""
