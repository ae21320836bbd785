"""The web service and its page: the one place that imports FastAPI."""
