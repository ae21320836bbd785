"""A recipe: how a model is trained, whole, as data; and how it is read from a TOML file. Nothing here needs Keras."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError

from facerec_cli.errors import ColourRecipeError, RecipeError, UntrainedRecipeError
from facerec_cli.faces.alignment import CHIP_SIZE
from facerec_cli.training.architectures import NETWORKS, NetworkSpec
from facerec_cli.training.augmentation import Augmentation, Share
from facerec_cli.training.dictionary import CELLS, SIZES, Count, Dictionary
from facerec_cli.training.objectives import OBJECTIVES, ObjectiveSpec
from facerec_cli.training.recipes import NAMES, find_recipe

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def _one_of(names: Mapping[str, Any]) -> Callable[[str], str]:
    def known(name: str) -> str:
        if name not in names:
            raise ValueError(f"{name!r} is none of {', '.join(names)}")
        return name

    return known


@dataclass(frozen=True)
class Recipe:
    """A training, whole.

    Attributes:
        name: what people call it.
        description: the network and the loss, in a line.
        network: a key of ``architectures.NETWORKS``.
        objective: a key of ``objectives.OBJECTIVES``.
        options: the network's arguments.
        objective_options: the objective's.
        pairs: pairs a batch, half of them genuine; 0: a batch is so many photos of so many people.
        people: people a batch.
        photos: photos a person in a batch.
        composites: share of a batch's people, or pairs, that are composites of two.
        singles: share of a batch's people that are one photo, augmented.
        optimiser: a class of ``keras.optimizers``.
        optimiser_options: its arguments but the learning rate.
        learning_rate: its peak.
        warm_up: steps until it is reached, at most a quarter of all; a cosine to zero follows.
        steps_per_epoch: steps between two validations.
        epochs: how many.
        augmentation: how much chips are changed.
        precision: what the network computes in while it learns; weights, losses and what is saved are float32.
        dictionaries: of visual words, fitted before the network learns; their embeddings and its own make up one, so
            that its cosine is the mean of theirs.
    """

    name: str
    description: str
    network: Annotated[str, AfterValidator(_one_of(NETWORKS))]
    objective: Annotated[str, AfterValidator(_one_of(OBJECTIVES))]
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
    dictionaries: tuple[Dictionary, ...] = ()

    @property
    def network_spec(self) -> NetworkSpec:
        """What its network can do."""
        return NETWORKS[self.network]

    @property
    def objective_spec(self) -> ObjectiveSpec:
        """What it learns by."""
        return OBJECTIVES[self.objective]

    @property
    def batch(self) -> int:
        """Photos a batch."""
        return 2 * self.pairs or self.people * self.photos

    def among(self, replicas: int) -> Recipe:
        """The recipe with about an equal share of its batch, for one of so many that train together."""
        return self.of_batch(self.batch // replicas)

    def of_batch(self, photos: int) -> Recipe:
        """The recipe with about so many photos a batch."""
        if self.pairs:
            return replace(self, pairs=max(2, photos // 4 * 2))
        return replace(self, people=max(2, photos // self.photos))

    def in_grey(self) -> Recipe:
        """The recipe on grey chips.

        Raises:
            ColourRecipeError: its network takes colour alone.
        """
        if not self.network_spec.takes_grey:
            raise ColourRecipeError(f"The recipe {self.name} goes on from a network for colour", "leave it in colour")
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
            UntrainedRecipeError: its network is not trained yet.
        """
        if not self.network_spec.is_trained:
            raise UntrainedRecipeError(
                f"The recipe {self.name} begins with an untrained network", "train all of it, or choose finetune"
            )
        # One layer takes steps that are too far for all of them: the loss on other people still falls at 1.
        return replace(self, options={**self.options, "frozen": True}, learning_rate=10 * self.learning_rate)

    def for_triplets(self) -> Recipe:
        """The recipe for triplets that are given, where it looks for its own among people."""
        return replace(self, objective=self.objective_spec.on_triplets or self.objective)


def load_recipe(named: str | Path) -> Recipe:
    """A recipe that ships, by its name, or the one in a TOML file, by its path.

    Raises:
        UnknownRecipeError: it is neither.
        RecipeError: the file cannot be read, or is no recipe.
    """
    path = find_recipe(str(named))
    return _shipped(path.stem) if str(named) in NAMES else _read(path, NAMES[0])


@cache
def _shipped(name: str) -> Recipe:
    return _read(find_recipe(name), None)


_OPTIONS = {"network": "options", "objective": "objective_options", "optimiser": "optimiser_options"}


def _read(path: Path, default_base: str | None) -> Recipe:
    """Read a recipe from a TOML file: ``base`` names the recipe it starts from, the other keys are ``Recipe``'s.

    Options of another network or objective than the base's replace the base's, whose dictionaries go with them; those
    of the same add to them.

    Raises:
        RecipeError: the file cannot be read, or is no recipe.
    """

    def refused(why: str) -> RecipeError:
        return RecipeError(f"{path} is no recipe, {why}", f"correct it, or choose one of {', '.join(NAMES)}")

    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"{path} cannot be read ({error.strerror})", "name a recipe, or its TOML file") from error
    except ValueError as error:  # not TOML, or not UTF-8
        raise refused(f"it cannot be read as TOML ({error})") from error
    base = given.pop("base", default_base)
    if base is not None and base not in NAMES:
        raise refused(f"its base {base!r} is unknown")
    start: dict[str, Any] = {"name": path.stem, "description": f"{path.stem}, after {base}"}
    start = (asdict(_shipped(base)) if base else {}) | start
    for owner, its_options in _OPTIONS.items():
        if owner in given and given[owner] != start.get(owner):
            start[its_options] = {}
            if owner != "optimiser":
                start["dictionaries"] = ()
    for key, value in given.items():
        start[key] = {**start[key], **value} if isinstance(value, dict) and isinstance(start.get(key), dict) else value
    unknown = [key for key in start if key not in {known.name for known in fields(Recipe)}]
    unknown += _unknown("augmentation", [start.get("augmentation")], Augmentation)
    unknown += _unknown("dictionaries", start.get("dictionaries"), Dictionary)
    if unknown:
        raise refused(f"nothing is called {unknown[0]}")
    try:
        recipe = TypeAdapter(Recipe).validate_python(start)
    except ValidationError as error:
        first = error.errors()[0]
        why = first["msg"].removeprefix("Value error, ")
        raise refused(f"{'.'.join(map(str, first['loc']))}: {why}") from error
    if misfit := _misfit(recipe):
        raise refused(f"its parts do not fit together ({misfit})")
    return recipe


def _unknown(owner: str, tables: Any, kind: type[Augmentation | Dictionary]) -> list[str]:
    """What tables of a recipe name that their kind has not; what is no table is refused with the rest."""
    parts = {known.name for known in fields(kind)}
    listed = tables if isinstance(tables, (list, tuple)) else ()
    return [f"{owner}.{key}" for table in listed if isinstance(table, dict) for key in table if key not in parts]


def _misfit(recipe: Recipe) -> str | None:
    """Why a recipe's batches do not serve its objective; None where they do."""
    spec, name = recipe.objective_spec, recipe.objective
    if not spec.is_chosen:
        return f"{name} is what another objective becomes on folders of triplets"
    if spec.reads == "pairs" and not recipe.pairs:
        return f"{name} compares pairs, so that pairs must be set, to 64 for example"
    if spec.reads != "pairs" and recipe.pairs:
        return f"{name} compares people, so that pairs must be 0"
    if spec.knows_people and recipe.composites:
        return "a classifier knows the people trained on and no composites, so that composites must be 0"
    if recipe.dictionaries and spec.takes_any_length:
        return f"{name} learns how its own embeddings are compared, so that there must be no dictionaries"
    if recipe.dictionaries and recipe.network_spec.is_trained:
        return f"{recipe.network} is trained already, so that there must be no dictionaries"
    for dictionary in recipe.dictionaries:
        if dictionary.cell % dictionary.step:
            return f"a dictionary's cell, {dictionary.cell}, must be a multiple of its step, {dictionary.step}"
        if CELLS * dictionary.cell > min(SIZES):
            return f"{CELLS} cells of {dictionary.cell} pixels are more than the {min(SIZES)} of the smallest scale"
        left, top, right, bottom = dictionary.region
        if not (0 <= left < right == CHIP_SIZE - left and 0 <= top < bottom <= CHIP_SIZE):
            region = list(dictionary.region)
            return f"a dictionary's region, {region}, must lie within the chip, as far from its left as its right"
    return None
