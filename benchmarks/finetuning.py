"""When `facerec train --recipe finetune` helps: on which kind of photos, with how many people.

    python benchmarks/finetuning.py LFW [--people 25 100 400] [--epochs 5] [--picture docs/finetuning.png]

One kind is LFW's chips as they are, the other as a cheap thermal camera might show them: grey, negative, coarse and
noisy. The bundled encoder goes on to learn, in bfloat16, from people of peopleDevTrain with two photos or more; all are
measured on the same people of peopleDevTest, by the equal error rate over all pairs of their photos.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt

from facerec_cli.datasets.chips import ChipSet, load_chips
from facerec_cli.datasets.lfw import everybody, mislabelled
from facerec_cli.encoders.bundle import Bundle, resolve_bundle
from facerec_cli.evaluation.evaluating import embed_rows
from facerec_cli.evaluation.protocols import Exclusions, all_pairs
from facerec_cli.faces.opencv import cv2
from facerec_cli.training.recipe import load_recipe
from facerec_cli.training.run import Plan, train_model

TESTED = 300
MOST_PHOTOS = 10
Chip = npt.NDArray[np.uint8]


def thermal(chip: Chip, generator: np.random.Generator) -> Chip:
    """A chip as a cheap thermal camera might show it."""
    coarse = cv2.resize(255 - cv2.cvtColor(chip, cv2.COLOR_RGB2GRAY), (36, 36), interpolation=cv2.INTER_AREA)
    noisy = np.clip(coarse + generator.normal(0, 12, coarse.shape), 0, 255).astype(np.uint8)
    return np.asarray(cv2.cvtColor(cv2.resize(noisy, (112, 112)), cv2.COLOR_GRAY2RGB), np.uint8)


KINDS: dict[str, Callable[[Chip, np.random.Generator], Chip]] = {
    "ordinary photos": lambda chip, _: chip,
    "photos of another kind": thermal,
}


def part(chips: ChipSet, names: Sequence[str], change: Callable[[Chip, np.random.Generator], Chip]) -> ChipSet:
    """Some people's chips, changed."""
    wrong = mislabelled()
    rows = [row for name in names for row in chips.rows_of[name][:MOST_PHOTOS] if chips.photos[row] not in wrong]
    generator = np.random.default_rng(0)
    return replace(
        chips,
        photos=[chips.photos[row] for row in rows],
        people=[chips.people[row] for row in rows],
        chips=np.stack([change(np.asarray(chips.chips[row]), generator) for row in rows]),
        scores=chips.scores[rows],
        quality={name: values[rows] for name, values in chips.quality.items()},
        has_face=chips.has_face[rows],
        is_lfw=False,
    )


def error(bundle: Bundle, chips: ChipSet) -> float:
    """The equal error rate over all pairs."""
    protocol = all_pairs(chips, Exclusions())
    looks = embed_rows(bundle, chips, protocol.rows().tolist(), [])
    return protocol.measure(looks, bundle.load_metric(), None).numbers["equal error rate"].value


def main() -> None:
    """Train, measure, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lfw", type=Path)
    parser.add_argument("--people", type=int, nargs="+", default=[25, 100, 400])
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--picture", type=Path)
    arguments = parser.parse_args()
    chips, pretrained = load_chips(arguments.lfw), resolve_bundle("pretrained")
    able: dict[str, list[str]] = {"train": [], "test": []}
    for person in everybody():
        if person.view1 in able and len(chips.rows_of.get(person.name, ())) > 1:
            able[person.view1].append(person.name)
    recipe = replace(load_recipe("finetune").in_bfloat16(), epochs=arguments.epochs)
    drawn = {view: np.random.default_rng(0).permutation(names).tolist() for view, names in able.items()}
    figure, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
    for kind, change in KINDS.items():
        test = part(chips, drawn["test"][:TESTED], change)
        before = error(pretrained, test)
        print(f"{kind:24} pretrained {before:7.2%}", flush=True)
        errors = []
        for count in arguments.people:
            with tempfile.TemporaryDirectory() as folder:
                own = part(chips, drawn["train"][:count], change)
                trained = train_model(recipe, own, "mine", Plan(0.8, models=Path(folder)))
                errors.append(error(trained.bundle, test))
                best = trained.bundle.about["validation"]["epoch"]
            print(f"{kind:24} {count:6} people {errors[-1]:7.2%}   best epoch {best}", flush=True)
        (line,) = axes.plot(arguments.people, [100 * value for value in errors], "o-", label=f"{kind}: finetune")
        axes.axhline(100 * before, linestyle="--", color=line.get_color(), label=f"{kind}: pretrained as it is")
    axes.set(xscale="log", xlabel="people trained on and held out", ylabel="equal error rate, %", ylim=(0, None))
    axes.set_xticks(arguments.people, [str(count) for count in arguments.people])
    axes.minorticks_off()
    axes.legend(frameon=False)
    if arguments.picture:
        figure.savefig(arguments.picture, dpi=110)


if __name__ == "__main__":
    main()
