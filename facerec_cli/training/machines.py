"""The machines that train one model together, as TensorFlow's environment variable TF_CONFIG names them."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass

from facerec_cli.errors import MachinesError


@dataclass(frozen=True)
class Machines:
    """How many machines train together, a process each.

    Attributes:
        count: how many.
        index: which of them this is; 0 is the chief, that decides, validates and writes.
    """

    count: int = 1
    index: int = 0

    @classmethod
    def named(cls) -> Machines:
        """The machines of TF_CONFIG.

        TensorFlow itself takes a missing one, or one with names that it does not know, for a single process.

        Raises:
            MachinesError: it is missing or wrong.
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
        raise MachinesError(
            "TF_CONFIG names no machines that train together",
            "set it on each of them, with an index of its own, to "
            '{"cluster": {"worker": ["HOST:PORT", "HOST:PORT"]}, "task": {"type": "worker", "index": 0}}',
        )
