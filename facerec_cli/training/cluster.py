"""The processes that train one model together, as TensorFlow's environment variable TF_CONFIG names them."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass

from facerec_cli.errors import FacerecError


class ClusterError(FacerecError):
    """The processes that are to train together are not named, or do not answer."""


@dataclass(frozen=True)
class Cluster:
    """How many processes train together.

    Attributes:
        workers: how many.
        worker: which of them this is; 0 is the chief, that decides, validates and writes.
    """

    workers: int = 1
    worker: int = 0

    @classmethod
    def named(cls) -> Cluster:
        """The cluster of TF_CONFIG.

        TensorFlow itself takes a missing one, or one with names that it does not know, for a single process.

        Raises:
            ClusterError: it is missing or wrong.
        """
        try:
            config = json.loads(os.environ.get("TF_CONFIG", ""))
            jobs, job, index = config["cluster"], config["task"]["type"], int(config["task"]["index"])
            chiefs, others = jobs.get("chief", []), jobs["worker"]
            before = {"chief": 0, "worker": len(chiefs)}[job]
            are_named = len(chiefs) <= 1 and all(":" in address for address in [*chiefs, *others])
            if are_named and jobs.keys() <= {"chief", "worker"} and 0 <= index < len(jobs[job]):
                return cls(len(chiefs) + len(others), before + index)
        except (ValueError, KeyError, TypeError, AttributeError):
            pass
        raise ClusterError(
            "TF_CONFIG names no machines that train together: set it on each of them, with an index of its own, to "
            '{"cluster": {"worker": ["HOST:PORT", "HOST:PORT"]}, "task": {"type": "worker", "index": 0}}.'
        )
