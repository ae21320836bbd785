"""What a service counts and measures, for Prometheus: no names, no faces."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """The counters of one service."""

    def __init__(self) -> None:
        """Begin at nothing."""
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._requests = Counter(
            "facerec_requests", "Requests answered", ("method", "route", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "facerec_request_seconds", "Time to answer", ("route",), buckets=_SECONDS, registry=self._registry
        )
        self._photos = Counter("facerec_photos", "Photos looked at", ("outcome",), registry=self._registry)
        self._faces = Counter("facerec_faces", "Faces asked about", ("outcome",), registry=self._registry)
        self.waiting = Gauge("facerec_requests_in_work", "Requests taken on, not yet answered", registry=self._registry)

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered; ``route`` is a template, never what a client wrote."""
        self._requests.labels(method, route, status).inc()
        self._seconds.labels(route).observe(seconds)

    def looked(self, *, usable: bool) -> None:
        """A photo was looked at."""
        self._photos.labels("usable" if usable else "refused").inc()

    def named(self, *, known: bool) -> None:
        """A face was identified."""
        self._faces.labels("known" if known else "unknown").inc()

    def text(self) -> bytes:
        """All of it, in Prometheus's text format."""
        return generate_latest(self._registry)
