"""Data sets of faces: where their photos are and which protocols they define."""
