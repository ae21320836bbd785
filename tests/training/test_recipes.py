"""Recipes: what their files may say, and the sentences for what they may not."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from importlib import import_module
from inspect import signature
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("keras", reason="training needs the extra `train`")

from facerec_cli.cli.remedies import sentence
from facerec_cli.errors import ColourRecipeError, RecipeError, UnknownRecipeError, UntrainedRecipeError
from facerec_cli.training.architectures import NETWORKS
from facerec_cli.training.build import build_head, build_network, build_sampler, check_parts
from facerec_cli.training.losses import supervised_contrastive
from facerec_cli.training.objectives import OBJECTIVES
from facerec_cli.training.recipe import load_recipe
from facerec_cli.training.recipes import FOLDER, NAMES
from facerec_cli.training.sampling import TripletPairSampler, Triplets, TripletSampler
from tests.docs import program

TRIPLETS = Triplets(np.arange(300).reshape(100, 3))


def written(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_recipe_of_the_page_is_one(tmp_path: Path) -> None:
    found = load_recipe(written(tmp_path, program("docs/training.md", "Recipes", "toml")))
    assert (found.epochs, found.augmentation.erasing, found.dictionaries[0].words) == (120, 0.5, 128)
    check_parts(found)


def test_a_file_changes_what_it_names_and_keeps_the_rest(tmp_path: Path) -> None:
    path = written(
        tmp_path, "epochs = 3\nlearning_rate = 1\n[options]\nwidth = 8\n[augmentation]\nflip = 0\nscale = [1, 1]\n"
    )
    found = load_recipe(path)
    base = load_recipe("siamese")
    assert found == replace(
        base,
        name="mine",
        epochs=3,
        learning_rate=1.0,
        description="mine, after siamese",
        options=base.options | {"width": 8},
        augmentation=replace(base.augmentation, flip=0, scale=(1, 1)),
    )


def test_each_region_of_the_face_learns_for_itself(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(8, 6))
    people = np.repeat(np.arange(4, dtype=np.int32), 2)
    regions = "[options]\nregions = [[0, 0, 112, 112], [0, 0, 112, 56], [0, 56, 112, 112]]\n"
    three = load_recipe(written(tmp_path, regions))
    parts = np.split(rows, 3, axis=1)
    expected = sum(float(supervised_contrastive(part, people, **three.objective_options)) for part in parts)
    assert float(build_head(three, people=4)(rows, people)) == pytest.approx(expected)


def test_another_network_goes_without_the_dictionaries_and_none_are_a_choice(tmp_path: Path) -> None:
    assert load_recipe("siamese").dictionaries
    assert not load_recipe(written(tmp_path, 'network = "plain"\n[options]\nunit = true\n')).dictionaries
    assert not load_recipe(written(tmp_path, "dictionaries = []\n")).dictionaries
    assert load_recipe(written(tmp_path, 'optimiser = "Adam"\n')).dictionaries


def test_an_empty_file_is_the_default(tmp_path: Path) -> None:
    assert load_recipe(written(tmp_path, "")) == replace(
        load_recipe("siamese"), name="mine", description="mine, after siamese"
    )


def test_another_network_drops_the_options_of_the_base(tmp_path: Path) -> None:
    path = written(
        tmp_path, 'base = "triplet"\nnetwork = "residual"\noptimiser = "SGD"\n[optimiser_options]\nmomentum = 0.5\n'
    )
    found = load_recipe(path)
    assert (found.network, found.options, found.optimiser_options) == ("residual", {}, {"momentum": 0.5})


@pytest.mark.parametrize("objective", ["cosface", "arcface"])
def test_classifiers_take_no_composites(objective: str, tmp_path: Path) -> None:
    path = written(tmp_path, f'objective = "{objective}"\n')
    with pytest.raises(RecipeError, match="composites must be 0"):
        load_recipe(path)
    path.write_text(f'objective = "{objective}"\ncomposites = 0\n[objective_options]\nmargin = 0.2\n', encoding="utf-8")
    assert load_recipe(path).objective_options == {"margin": 0.2}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("epochs =", "cannot be read as TOML"),
        ('base = "resnet"', "base 'resnet' is unknown"),
        ("epoch_count = 3", "nothing is called epoch_count"),
        ("[augmentation]\nturn = 3", r"nothing is called augmentation\.turn"),
        ("epochs = 0", "epochs: Input should be greater than or equal to 1"),
        ('learning_rate = "fast"', "learning_rate: Input should be a valid number"),
        ("pairs = 3", "pairs: Input should be a multiple of 2"),
        ("composites = 1.5", "composites: Input should be less than or equal to 1"),
        ("[augmentation]\nscale = [1.06, 0.82]", r"augmentation\.scale: .*1\.06 is above 0\.82"),
        ("[augmentation]\nshift = -3", r"augmentation\.shift: .*greater than or equal to 0"),
        ("[augmentation]\nflip = 2", r"augmentation\.flip: .*less than or equal to 1"),
        ('precision = "float8"', "precision: Input should be"),
        ('network = "transformer"', "network: 'transformer' is none of koch, plain, residual, pretrained"),
        ('objective = "hinge"', "objective: 'hinge' is none of l1, l1-batch-all,"),
        ("augmentation = 3", "augmentation"),
        ('objective = "contrastive"', "contrastive compares pairs, so that pairs must be set"),
        ("pairs = 8", "supervised-contrastive compares people, so that pairs must be 0"),
        ('objective = "given-triplets"', "given-triplets is what another objective becomes"),
        ("base = []", r"base \[\] is unknown"),
        ("dictionaries = 3", "dictionaries"),
        ("[[dictionaries]]\ncell = 6", r"dictionaries\.0\.step: Field required|missing"),
        ("[[dictionaries]]\ncell = 6\nstep = 3\nletters = 9", r"nothing is called dictionaries\.letters"),
        ("[[dictionaries]]\ncell = 6\nstep = 4", "a dictionary's cell, 6, must be a multiple of its step, 4"),
        ("[[dictionaries]]\ncell = 15\nstep = 5", "4 cells of 15 pixels are more than the 56"),
        (
            "[[dictionaries]]\ncell = 6\nstep = 3\nregion = [10, 0, 112, 112]",
            "must lie within the chip, as far from its left as its right",
        ),
        (
            "[[dictionaries]]\ncell = 6\nstep = 3\nregion = [-8, 0, 120, 112]",
            "must lie within the chip, as far from its left as its right",
        ),
        ('base = "koch"\n[[dictionaries]]\ncell = 6\nstep = 3', "there must be no dictionaries"),
        ('base = "finetune"\n[[dictionaries]]\ncell = 6\nstep = 3', "there must be no dictionaries"),
    ],
)
def test_a_file_that_is_no_recipe_is_one_sentence(text: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=why) as caught:
        load_recipe(written(tmp_path, text))
    assert str(caught.value).startswith(str(tmp_path / "mine.toml"))
    assert "\n" not in str(caught.value)
    assert caught.value.remedy == f"correct it, or choose one of {', '.join(NAMES)}"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[options]\nsize = 0", "parts do not fit"),
        ("[options]\nregions = [[0, 0, 112, 112], [0, 0, 112, 120]]", "parts do not fit .*no part from 0 to 120"),
        ("[options]\nregions = []", "parts do not fit"),
        ("[options]\nregions = [[0, 0, 112], [0, 0, 112]]", "parts do not fit"),
        ("[objective_options]\nparts = 3", "parts do not fit .*not 3 equal parts"),
        ("[options]\nregions = 3", "parts do not fit"),
        ("[options]\ndepth = 3", "parts do not fit .*depth"),
        ("[objective_options]\nmargin = 3", "parts do not fit .*margin"),
        ('objective = "euclidean"\npairs = 4\n[objective_options]\nloss = "hinge"', "parts do not fit .*hinge"),
        ('network = "plain"', "compares embeddings of unit length: set unit = true"),
        ('[options]\nsize = "big"', "parts do not fit"),
        ('[objective_options]\ntemperature = "low"', "parts do not fit"),
        ("[optimiser_options]\nmass = 3", "parts do not fit .*mass"),
    ],
)
def test_parts_that_do_not_fit_are_one_sentence(text: str, why: str, tmp_path: Path) -> None:
    recipe = load_recipe(written(tmp_path, text))
    with pytest.raises(RecipeError, match=why) as caught:
        check_parts(recipe)
    assert str(caught.value).startswith("The recipe mine is none, its parts do not fit together (")
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"mine\.toml cannot be read"):
        load_recipe(tmp_path / "mine.toml")
    (tmp_path / "mine.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(RecipeError, match="cannot be read as TOML"):
        load_recipe(tmp_path / "mine.toml")


def test_grey_and_frozen_are_for_networks_that_can() -> None:
    siamese, finetune = load_recipe("siamese"), load_recipe("finetune")
    assert siamese.in_grey().options == siamese.options | {"grey": True}
    assert load_recipe("koch").in_grey().options == {"grey": True}
    assert finetune.frozen().options == {"frozen": True}
    with pytest.raises(ColourRecipeError, match="for colour") as caught:
        finetune.in_grey()
    assert sentence(caught.value).endswith(": leave out --grey.")
    with pytest.raises(UntrainedRecipeError, match="untrained network") as refused:
        siamese.frozen()
    assert sentence(refused.value).endswith(": --freeze is for finetune.")


@pytest.mark.parametrize("name", NAMES)
def test_given_triplets_serve_recipes_of_pairs_and_triplets_alone(name: str) -> None:
    recipe = load_recipe(name).for_triplets()
    if name in ("siamese", "finetune"):
        with pytest.raises(RecipeError, match="compares people, and a folder of triplets does not say who is who"):
            build_sampler(recipe, TRIPLETS)
    else:
        assert isinstance(build_sampler(recipe, TRIPLETS), TripletSampler if name == "triplet" else TripletPairSampler)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("photos", [4, 8, 100])
def test_a_batch_has_about_as_many_photos_as_asked(name: str, photos: int) -> None:
    assert photos - 4 < load_recipe(name).of_batch(photos).batch <= max(photos, 8)


# ------------------------------------------------------------------ what ships


def test_the_recipes_that_ship_are_the_files() -> None:
    assert {path.stem for path in FOLDER.glob("*.toml")} == set(NAMES)
    for name in NAMES:
        assert load_recipe(name).name == name
        assert load_recipe(name).description != f"{name}, after None"


def test_a_recipe_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(UnknownRecipeError, match="There is no recipe 'resnet'") as caught:
        load_recipe("resnet")
    assert sentence(caught.value).endswith(f": choose one of {', '.join(NAMES)}, or name a .toml file.")


def test_recipes_are_read_and_refused_without_keras(tmp_path: Path) -> None:
    path = written(tmp_path, 'objective = "cosface"\n')
    script = (
        "import sys\n"
        "from facerec_cli.errors import RecipeError\n"
        "from facerec_cli.training.recipe import load_recipe\n"
        "from facerec_cli.training.recipes import NAMES\n"
        "[load_recipe(name).for_triplets() for name in NAMES]\n"
        "try:\n"
        f"    load_recipe({str(path)!r})\n"
        "except RecipeError:\n"
        "    print(*sys.modules)\n"
    )
    modules = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert "pydantic" in modules and not {"keras", "tensorflow"} & set(modules)


# ------------------------------------------------------------------ the registries


@pytest.mark.parametrize("name", OBJECTIVES)
def test_every_objective_is_built_and_is_what_its_specification_says(name: str) -> None:
    spec = OBJECTIVES[name]
    head = build_head(replace(load_recipe("triplet"), objective=name), people=3)
    loss = head(np.eye(6, 4, dtype=np.float32), np.array([0, 0, 1, 1, 2, 2], np.int32))
    assert np.isfinite(float(loss))
    assert spec.is_head == (type(head).__name__ == spec.place)
    assert bool(getattr(head, "count", 0)) == spec.knows_people
    assert spec.on_triplets is None or OBJECTIVES[spec.on_triplets].reads != "people"


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_takes_what_its_specification_says(name: str) -> None:
    spec = NETWORKS[name]
    function = getattr(import_module(f"facerec_cli.training.{spec.module}"), spec.function)
    options = signature(function).parameters.keys()
    assert ("grey" in options, "regions" in options) == (spec.takes_grey, spec.has_regions)
    assert ("frozen" in options) == spec.is_trained
    recipe = replace(load_recipe("triplet"), network=name, options={})
    assert build_network(recipe).input_shape == (None, 112, 112, 3)
