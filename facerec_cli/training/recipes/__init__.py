"""The recipes that ship, as data: a TOML file each, in the form of a user's own. Light, so that help can name them."""

from __future__ import annotations

from pathlib import Path

from facerec_cli.errors import UnknownRecipeError

FOLDER = Path(__file__).parent
"""Where ``NAME.toml`` is."""
NAMES = ("siamese", "koch", "euclidean", "euclidean-mae", "contrastive", "triplet", "finetune")
"""As people should see them; the first is what is trained where nothing is said."""


def find_recipe(named: str) -> Path:
    """The file of a recipe that ships, by its name, or a ``.toml`` file of the user's own, by its path.

    Raises:
        UnknownRecipeError: it is neither.
    """
    if named in NAMES:
        return FOLDER / f"{named}.toml"
    if named.endswith(".toml"):
        return Path(named)
    known = ", ".join(NAMES)
    raise UnknownRecipeError(f"There is no recipe {named!r}", f"choose one of {known}, or a .toml file", known)
