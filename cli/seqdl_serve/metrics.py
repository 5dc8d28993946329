"""What /metrics tells, in Prometheus' form."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, generate_latest

from seqdl_data.version import VERSION
from seqdl_serve.messages import Job, LetterJob, PagesJob, ScanJob, TextJob

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class Metrics:
    """Counters of one server; a registry of its own, so that two of them do not meet."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "seqdl_requests", "Requests answered", ["endpoint", "method", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "seqdl_request_seconds",
            "From the first byte of a request to the last of its answer",
            ["endpoint"],
            buckets=BUCKETS,
            registry=self.registry,
        )
        self.first = Histogram(
            "seqdl_first_part_seconds",
            "From the first byte of a request to the first of its answer",
            ["endpoint"],
            buckets=BUCKETS,
            registry=self.registry,
        )
        self.tokens = self._amount("seqdl_tokens", "Characters written")
        self.bases = self._amount("seqdl_bases", "Bases scanned")
        self.letters = self._amount("seqdl_letters", "Characters read")
        self.jobs = Gauge("seqdl_jobs", "Jobs that are worked on or wait", registry=self.registry)
        self.queue = Gauge("seqdl_queue", "Jobs that wait", registry=self.registry)
        self.ready = Gauge("seqdl_ready", "Whether the compute process is ready", registry=self.registry)
        self.restarts = Gauge("seqdl_compute_restarts", "Compute processes that died", registry=self.registry)
        self.log_lost = Counter("seqdl_log_lost", "Requests that the log could not take", registry=self.registry)
        self.models = Gauge("seqdl_model", "Models loaded", ["model", "kind"], registry=self.registry)
        Info("seqdl", "This server", registry=self.registry).info({"version": VERSION})

    def _amount(self, name: str, about: str) -> Counter:
        return Counter(name, about, ["model"], registry=self.registry)

    def count(self, job: Job, amount: int) -> None:
        """A part of a job, with so much in it."""
        if isinstance(job, TextJob):
            self.tokens.labels(job.model).inc(amount)
        elif isinstance(job, ScanJob):
            self.bases.labels(job.model or "motifs").inc(amount)
        elif isinstance(job, PagesJob | LetterJob):
            self.letters.labels(job.model).inc(amount)

    def text(self) -> bytes:
        return generate_latest(self.registry)
