"""The API, a module a part of it."""
