"""What a server counts of itself, as Prometheus reads it."""

from __future__ import annotations

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chorus.serve.queue import Work
from chorus.serve.scenes import KeptScenes

SECONDS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100)
UNROUTED = "other"


class Metrics:
    """Requests by route, method and status, their seconds, the queue, the scenes, the process."""

    def __init__(self, work: Work, scenes: KeptScenes):
        self._registry = CollectorRegistry()
        labels = ("route", "method", "status")
        self.requests = Counter("chorus_requests", "Requests answered", labels, registry=self._registry)
        self.seconds = Histogram(
            "chorus_request_seconds", "Seconds to an answer", ("route",), buckets=SECONDS, registry=self._registry
        )
        for name, about, read in (
            ("chorus_queue_held", "Pieces of work that are done or wait", lambda: work.held),
            ("chorus_queue_most", "Pieces of work that may", lambda: work.most),
            ("chorus_scenes", "Scenes kept", lambda: len(scenes)),
            ("chorus_scenes_bytes", "Memory of the scenes kept", lambda: scenes.bytes),
            ("chorus_scenes_most_bytes", "Memory they may take", lambda: scenes.most_bytes),
        ):
            Gauge(name, about, registry=self._registry).set_function(read)
        ProcessCollector(registry=self._registry)

    def text(self) -> bytes:
        """In Prometheus' text format."""
        return generate_latest(self._registry)


class Counted:
    """ASGI middleware that counts what passes. Routes by their pattern, so that ids make no series of their own."""

    def __init__(self, app: ASGIApp, metrics: Metrics):
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start, status = time.perf_counter(), [500]

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                status[0] = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, watched)
        finally:
            route = getattr(scope.get("route"), "path", None) or UNROUTED
            method = scope["method"] if scope["method"] in ("GET", "POST", "DELETE", "HEAD", "OPTIONS") else UNROUTED
            self.metrics.requests.labels(route, method, str(status[0])).inc()
            self.metrics.seconds.labels(route).observe(time.perf_counter() - start)
