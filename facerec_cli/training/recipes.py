"""How models are trained: each recipe is data."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import keras
import numpy as np
from pydantic import Field, TypeAdapter, ValidationError

from facerec_cli.errors import DataError
from facerec_cli.training import networks
from facerec_cli.training.augmentation import Augmentation, Share
from facerec_cli.training.objectives import CLASSIFIERS, PAIRWISE, Objective, ObjectiveName, objective
from facerec_cli.training.pretrained import pretrained
from facerec_cli.training.sampling import (
    PairSampler,
    PeopleSampler,
    PhotosByPerson,
    Sampler,
    TripletPairSampler,
    Triplets,
    TripletSampler,
)

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

NETWORKS: Mapping[str, Callable[..., keras.Model]] = {
    "koch": networks.koch,
    "plain": networks.plain,
    "residual": networks.residual,
    "pretrained": pretrained,
}
Count = Annotated[int, Field(ge=1)]


@dataclass(frozen=True)
class Recipe:
    """A training, whole.

    Attributes:
        name: what ``--recipe`` calls it.
        description: the network and the loss, in a line.
        network: a key of ``NETWORKS``.
        options: its arguments.
        objective: a name of ``training.objectives``.
        objective_options: its arguments.
        pairs: pairs a batch, half of them genuine; 0: a batch is so many photos of so many people.
        people: people a batch.
        photos: photos a person in a batch.
        composites: share of a batch's people that are composites of two.
        singles: share of a batch's people that are one photo, augmented.
        optimiser: a class of ``keras.optimizers``.
        optimiser_options: its arguments but the learning rate.
        learning_rate: its peak.
        warm_up: steps until it is reached, at most a quarter of all; a cosine to zero follows.
        steps_per_epoch: steps between two validations.
        epochs: how many.
        augmentation: how much chips are changed.
        precision: what the network computes in while it learns; weights, losses and what is saved are float32.
    """

    name: str
    description: str
    network: Literal["koch", "plain", "residual", "pretrained"]
    objective: ObjectiveName
    options: dict[str, Any] = field(default_factory=dict)
    objective_options: dict[str, Any] = field(default_factory=dict)
    pairs: Annotated[int, Field(ge=0, multiple_of=2)] = 0
    people: Annotated[int, Field(ge=2)] = 32
    photos: Annotated[int, Field(ge=2)] = 4
    composites: Share = 0.5
    singles: Share = 0.1
    optimiser: Literal["SGD", "Adam", "AdamW"] = "SGD"
    optimiser_options: dict[str, Any] = field(default_factory=dict)
    learning_rate: Annotated[float, Field(gt=0)] = 0.1
    warm_up: Annotated[int, Field(ge=0)] = 150
    steps_per_epoch: Count = 100
    epochs: Count = 60
    augmentation: Augmentation = field(default_factory=Augmentation)
    precision: Literal["float32", "bfloat16"] = "float32"

    def sampler(self, source: PhotosByPerson | Triplets) -> Sampler:
        """What draws its batches.

        Raises:
            DataError: there are too few people, photos or triplets, or only triplets for a recipe that needs people.
        """
        if isinstance(source, PhotosByPerson):
            if self.pairs:
                return PairSampler(source, self.pairs)
            return PeopleSampler(source, self.people, self.photos, self.composites, self.singles)
        if self.pairs:
            return TripletPairSampler(source, self.pairs // 2)
        if self.objective == "given-triplets":
            return TripletSampler(source, max(1, self.people * self.photos // 3))
        raise DataError(
            f"The recipe {self.name} compares people, and a folder of triplets does not say who is who: choose "
            "triplet, koch, euclidean or contrastive with --recipe, or sort the photos into a sub-folder a person."
        )

    def made_network(self) -> keras.Model:
        """Its network, with its precision."""
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy("mixed_bfloat16" if self.precision == "bfloat16" else "float32")
        try:
            return NETWORKS[self.network](**self.options)
        finally:
            keras.config.set_dtype_policy(before)

    def made_objective(self, people: int) -> Objective:
        """What it learns by: networks for several regions each for itself, where its loss can.

        Args:
            people: labels are below it.
        """
        options = self.objective_options
        if self.objective == "supervised-contrastive":
            options = {"parts": len(self.options.get("regions", [networks.WHOLE])), **options}
        return objective(self.objective, options, people)

    def made_optimiser(self, rate: Any) -> keras.optimizers.Optimizer:
        """Its optimiser, with a learning rate or the schedule of one."""
        return getattr(keras.optimizers, self.optimiser)(rate, **self.optimiser_options)

    def among(self, replicas: int) -> Recipe:
        """The recipe with about an equal share of its batch, for one of so many that train together."""
        return self.of_batch((2 * self.pairs or self.people * self.photos) // replicas)

    def of_batch(self, photos: int) -> Recipe:
        """The recipe with about so many photos a batch."""
        if self.pairs:
            return replace(self, pairs=max(2, photos // 4 * 2))
        return replace(self, people=max(2, photos // self.photos))

    def in_grey(self) -> Recipe:
        """The recipe on grey chips.

        Raises:
            DataError: its network takes colour alone.
        """
        if "grey" not in inspect.signature(NETWORKS[self.network]).parameters:
            raise DataError(f"The recipe {self.name} goes on from a network for colour: leave out --grey.")
        return replace(self, options={**self.options, "grey": True})

    def in_bfloat16(self) -> Recipe:
        """The recipe that computes in bfloat16.

        Kalamkar et al., "A Study of BFLOAT16 for Deep Learning Training", arXiv 1905.12322.
        """
        return replace(self, precision="bfloat16")

    def in_float32(self) -> Recipe:
        """The recipe that computes in float32."""
        return replace(self, precision="float32")

    def frozen(self) -> Recipe:
        """The recipe with all but the network's last layer as they are.

        Raises:
            DataError: its network is not trained yet.
        """
        if self.network != "pretrained":
            raise DataError(f"The recipe {self.name} begins with an untrained network: --freeze is for finetune.")
        # One layer takes steps that are too far for all of them: the loss on other people still falls at 1.
        return replace(self, options={**self.options, "frozen": True}, learning_rate=10 * self.learning_rate)

    def for_triplets(self) -> Recipe:
        """The recipe for triplets that are given, where it looks for its own among people."""
        return replace(self, objective="given-triplets") if self.objective.startswith("triplet") else self


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            "siamese",
            "compact residual networks of the face and its middle, supervised contrastive loss, half composites",
            network="residual",
            options={"size": 96, "width": 20, "regions": (networks.WHOLE, networks.MIDDLE)},
            objective="supervised-contrastive",
            objective_options={"temperature": 0.07},
            optimiser_options={"momentum": 0.9, "nesterov": True, "weight_decay": 5e-3},
            epochs=24,
        ),
        Recipe(
            "koch",
            "Koch, Zemel and Salakhutdinov's network, binary cross-entropy on a learned L1 distance of pairs",
            network="koch",
            objective="l1",
            pairs=64,
            optimiser="Adam",
            learning_rate=1e-4,
            steps_per_epoch=50,
            epochs=36,
        ),
        # On embeddings of unit length the Euclidean distance orders pairs as the cosine does (its square is 2 - 2 cos),
        # so the recipes that learn one end in models that are searched with the other.
        Recipe(
            "euclidean",
            "convolutions, binary cross-entropy on the Euclidean distance of pairs",
            network="plain",
            options={"unit": True},
            objective="euclidean",
            pairs=64,
            optimiser="Adam",
            learning_rate=1e-3,
            epochs=40,
        ),
        Recipe(
            "euclidean-mae",
            "convolutions, mean absolute error on the Euclidean distance of pairs",
            network="plain",
            options={"unit": True},
            objective="euclidean",
            objective_options={"loss": "mae"},
            pairs=64,
            optimiser="Adam",
            learning_rate=1e-3,
            epochs=40,
        ),
        Recipe(
            "contrastive",
            "convolutions on grey chips, contrastive loss with margin 1 on the Euclidean distance of pairs",
            network="plain",
            options={"unit": True, "grey": True},
            objective="contrastive",
            pairs=64,
            optimiser="Adam",
            learning_rate=1e-3,
            epochs=40,
        ),
        Recipe(
            "triplet",
            "convolutions and a 128-d unit-length embedding, semi-hard triplets with margin 0.2",
            network="plain",
            options={"unit": True},
            objective="triplet",
            composites=0.0,
            optimiser="Adam",
            learning_rate=1e-3,
            epochs=40,
        ),
        Recipe(
            "finetune",
            "the bundled pretrained encoder, trained on with the supervised contrastive loss",
            network="pretrained",
            objective="supervised-contrastive",
            people=16,
            composites=0.0,
            optimiser_options={"momentum": 0.9, "nesterov": True},
            learning_rate=5e-3,
            warm_up=20,
            steps_per_epoch=20,
            epochs=10,
        ),
    )
}


_OPTIONS = {"network": "options", "objective": "objective_options", "optimiser": "optimiser_options"}


def read_recipe(path: Path) -> Recipe:
    """Read a recipe from a TOML file: ``base`` names the recipe it starts from, the other keys are ``Recipe``'s.

    Options of another network or objective than the base's replace the base's; those of the same add to them.

    Raises:
        DataError: the file cannot be read, or is no recipe.
    """

    def refused(why: str) -> DataError:
        return DataError(f"{path} is no recipe, {why}: correct it, or name one of {', '.join(RECIPES)} with --recipe.")

    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}): name a recipe, or its TOML file.") from error
    except ValueError as error:  # not TOML, or not UTF-8
        raise refused(f"it cannot be read as TOML ({error})") from error
    base = given.pop("base", "siamese")
    if not isinstance(base, str) or base not in RECIPES:
        raise refused(f"its base {base!r} is unknown")
    start = asdict(RECIPES[base]) | {"name": path.stem, "description": f"{path.stem}, after {base}"}
    for owner, its_options in _OPTIONS.items():
        if given.get(owner, start[owner]) != start[owner]:
            start[its_options] = {}
    for key, value in given.items():
        start[key] = {**start[key], **value} if isinstance(value, dict) and isinstance(start.get(key), dict) else value
    unknown = [key for key in start if key not in {known.name for known in fields(Recipe)}]
    if isinstance(start["augmentation"], dict):
        parts = {known.name for known in fields(Augmentation)}
        unknown += [f"augmentation.{key}" for key in start["augmentation"] if key not in parts]
    if unknown:
        raise refused(f"nothing is called {unknown[0]}")
    try:
        recipe = TypeAdapter(Recipe).validate_python(start)
        _try(recipe)
    except ValidationError as error:
        first = error.errors()[0]
        raise refused(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    except (TypeError, ValueError, ArithmeticError) as error:
        reason = (str(error).splitlines() or [""])[0].rstrip(".")
        raise refused(f"its parts do not fit together ({reason})") from error
    return recipe


def _try(recipe: Recipe) -> None:
    """Make a recipe's parts, and hold them against each other.

    Raises:
        TypeError, ValueError, ArithmeticError: they do not fit.
    """
    if recipe.objective == "given-triplets":
        raise ValueError("given-triplets is what triplet becomes on folders of triplets")
    compares_pairs = recipe.objective in PAIRWISE
    if compares_pairs and not recipe.pairs:
        raise ValueError(f"{recipe.objective} compares pairs, so that pairs must be set, to 64 for example")
    if recipe.pairs and not compares_pairs:
        raise ValueError(f"{recipe.objective} compares people, so that pairs must be 0")
    if recipe.objective in CLASSIFIERS and recipe.composites:
        raise ValueError("a classifier knows the people trained on and no composites, so that composites must be 0")
    recipe.made_optimiser(recipe.learning_rate)
    network = recipe.made_network()
    if recipe.objective != "l1" and not isinstance(network.layers[-1], networks.UnitLength):
        raise ValueError(f"{recipe.objective} compares embeddings of unit length: set unit = true, or another network")
    embeddings = np.eye(4, network.output_shape[-1], dtype=np.float32)
    recipe.made_objective(people=2)(embeddings, np.array([0, 0, 1, 1], np.int32))
