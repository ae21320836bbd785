"""The results of an evaluation, side by side, and how a number is written."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from facerec_cli.datasets.chips import ChipSet
from facerec_cli.evaluation.intervals import Estimate
from facerec_cli.evaluation.measuring import Protocol, Result, title
from facerec_cli.evaluation.mislabelled import Mislabelled


@dataclass
class Evaluation:
    """The results of several models, in the order of ``models``, for each protocol by its title.

    ``mislabelled`` is what one of them found to be under a wrong name, where that was looked for.
    """

    chips: ChipSet
    models: list[str]
    protocols: list[Protocol] = field(default_factory=list)
    results: dict[str, list[Result]] = field(default_factory=dict)
    mislabelled: Mislabelled | None = None

    def add(self, protocol: Protocol, result: Result) -> None:
        """Add the next model's result."""
        if protocol not in self.protocols:
            self.protocols.append(protocol)
        self.results.setdefault(title(protocol), []).append(result)

    def estimates(self, protocol: Protocol) -> dict[str, list[Estimate]]:
        """Each measure's estimates, a model each; measures that every model has."""
        return _side_by_side([result.numbers for result in self.results[title(protocol)]])

    def by_group(self, protocol: Protocol) -> dict[tuple[str, str], dict[str, list[Estimate]]]:
        """The same by the column of groups and the group, in groups that every model is measured in."""
        found = [result.by_group for result in self.results[title(protocol)]]
        shared = [group for group in found[0] if all(group in groups for groups in found)]
        return {group: _side_by_side([groups[group] for groups in found]) for group in shared}

    def notes(self, protocol: Protocol) -> list[str]:
        """What must be said beside the numbers: of the data, then of each model, once each."""
        notes = list(protocol.notes)
        for model, result in zip(self.models, self.results[title(protocol)], strict=True):
            notes += [*result.notes, *(f"{model}: {note}" for note in result.model_notes)]
        return list(dict.fromkeys(notes))


def _side_by_side(numbers: Sequence[Mapping[str, Estimate]]) -> dict[str, list[Estimate]]:
    shared = [name for name in numbers[0] if all(name in one for one in numbers)]
    return {name: [one[name] for one in numbers] for name in shared}


def written(measure: str, estimate: Estimate, *, signed: bool = False) -> str:
    """An estimate with its 95 % confidence interval, for people; ``n/a`` where the data cannot say."""
    if not math.isfinite(estimate.value):
        return "n/a"
    low, high = estimate.interval
    sign = "+" if signed else ""
    if measure == "AUC":
        return f"{estimate.value:{sign}.4f} [{low:{sign}.4f}, {high:{sign}.4f}]"
    scale, unit = 100, "points" if signed else "%"
    return f"{estimate.value * scale:{sign}.2f} {unit} [{low * scale:{sign}.2f}, {high * scale:{sign}.2f}]"
