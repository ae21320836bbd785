"""Recipes: what their files may say, and the sentences for what they may not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("keras", reason="training needs the extra `train`")

from facerec_cli.errors import DataError
from facerec_cli.training.objectives import objective
from facerec_cli.training.recipes import RECIPES, read_recipe
from facerec_cli.training.sampling import TripletPairSampler, Triplets, TripletSampler

TRIPLETS = Triplets(np.arange(300).reshape(100, 3))


def written(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_changes_what_it_names_and_keeps_the_rest(tmp_path: Path) -> None:
    path = written(
        tmp_path, "epochs = 3\nlearning_rate = 1\n[options]\nwidth = 8\n[augmentation]\nflip = 0\nscale = [1, 1]\n"
    )
    found = read_recipe(path)
    base = RECIPES["siamese"]
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
    three = read_recipe(written(tmp_path, regions))
    alone = objective("supervised-contrastive", three.objective_options, people=4)
    expected = sum(float(alone(part, people)) for part in np.split(rows, 3, axis=1))
    assert float(three.made_objective(people=4)(rows, people)) == pytest.approx(expected)


def test_an_empty_file_is_the_default(tmp_path: Path) -> None:
    assert read_recipe(written(tmp_path, "")) == replace(
        RECIPES["siamese"], name="mine", description="mine, after siamese"
    )


def test_another_network_drops_the_options_of_the_base(tmp_path: Path) -> None:
    path = written(
        tmp_path, 'base = "triplet"\nnetwork = "residual"\noptimiser = "SGD"\n[optimiser_options]\nmomentum = 0.5\n'
    )
    found = read_recipe(path)
    assert (found.network, found.options, found.optimiser_options) == ("residual", {}, {"momentum": 0.5})


@pytest.mark.parametrize("objective", ["cosface", "arcface"])
def test_classifiers_take_no_composites(objective: str, tmp_path: Path) -> None:
    path = written(tmp_path, f'objective = "{objective}"\n')
    with pytest.raises(DataError, match="composites must be 0"):
        read_recipe(path)
    path.write_text(f'objective = "{objective}"\ncomposites = 0\n[objective_options]\nmargin = 0.2\n', encoding="utf-8")
    assert read_recipe(path).objective_options == {"margin": 0.2}


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
        ("[options]\nsize = 0", "parts do not fit"),
        ("[options]\nregions = [[0, 0, 112, 112], [0, 0, 112, 120]]", "parts do not fit .*no part from 0 to 120"),
        ("[options]\nregions = []", "parts do not fit"),
        ("[options]\nregions = [[0, 0, 112], [0, 0, 112]]", "parts do not fit"),
        ("[objective_options]\nparts = 3", "parts do not fit .*not 3 equal parts"),
        ("[options]\nregions = 3", "parts do not fit"),
        ('precision = "float8"', "precision: Input should be"),
        ('network = "transformer"', "network: Input should be"),
        ('objective = "hinge"', "objective: Input should be"),
        ("augmentation = 3", "augmentation"),
        ("[options]\ndepth = 3", "parts do not fit .*depth"),
        ("[objective_options]\nmargin = 3", "parts do not fit .*margin"),
        ('objective = "euclidean"\npairs = 4\n[objective_options]\nloss = "hinge"', "parts do not fit .*hinge"),
        ('objective = "contrastive"', "contrastive compares pairs, so that pairs must be set"),
        ("pairs = 8", "supervised-contrastive compares people, so that pairs must be 0"),
        ('network = "plain"', "compares embeddings of unit length: set unit = true"),
        ('objective = "given-triplets"', "given-triplets is what triplet becomes"),
        ("base = []", r"base \[\] is unknown"),
        ('[options]\nsize = "big"', "parts do not fit"),
        ('[objective_options]\ntemperature = "low"', "parts do not fit"),
        ("[optimiser_options]\nmass = 3", "parts do not fit .*mass"),
    ],
)
def test_a_file_that_is_no_recipe_is_one_sentence(text: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=why) as caught:
        read_recipe(written(tmp_path, text))
    assert str(caught.value).startswith(str(tmp_path / "mine.toml"))
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"mine\.toml cannot be read"):
        read_recipe(tmp_path / "mine.toml")
    (tmp_path / "mine.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match="cannot be read as TOML"):
        read_recipe(tmp_path / "mine.toml")


def test_grey_and_frozen_are_for_networks_that_can() -> None:
    assert RECIPES["siamese"].in_grey().options == RECIPES["siamese"].options | {"grey": True}
    assert RECIPES["koch"].in_grey().options == {"grey": True}
    assert RECIPES["finetune"].frozen().options == {"frozen": True}
    with pytest.raises(DataError, match="leave out --grey"):
        RECIPES["finetune"].in_grey()
    with pytest.raises(DataError, match="--freeze is for finetune"):
        RECIPES["siamese"].frozen()


@pytest.mark.parametrize("name", RECIPES)
def test_given_triplets_serve_recipes_of_pairs_and_triplets_alone(name: str) -> None:
    recipe = RECIPES[name].for_triplets()
    if name in ("siamese", "finetune"):
        with pytest.raises(DataError, match="compares people, and a folder of triplets does not say who is who"):
            recipe.sampler(TRIPLETS)
    else:
        assert isinstance(recipe.sampler(TRIPLETS), TripletSampler if name == "triplet" else TripletPairSampler)


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("photos", [4, 8, 100])
def test_a_batch_has_about_as_many_photos_as_asked(name: str, photos: int) -> None:
    recipe = RECIPES[name].of_batch(photos)
    found = 2 * recipe.pairs or recipe.people * recipe.photos
    assert photos - 4 < found <= max(photos, 8)
