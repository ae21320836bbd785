"""What a user does by the pages, done as they say; other tests of pages are beside those of what they are about."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.composed import side_by_side
from tests.docs import ROOT, Example, examples, parts


@pytest.fixture
def place(samples: Path, tmp_path: Path) -> Path:
    """What of the repository the examples use."""
    shutil.copytree(samples, tmp_path / "tests" / "data")
    (tmp_path / "models").symlink_to(ROOT / "models")
    return tmp_path


def hold(example: Example, folder: Path) -> None:
    """Run an example, and hold what it prints against what the page shows."""
    printed, shown = parts(example.run(folder)), parts(example.shown)
    if example.shown:
        assert printed[0] == shown[0]
        # Processors round otherwise.
        assert printed[1] == pytest.approx(shown[1], rel=0.01, abs=0.005)


def test_the_first_command_of_the_readme_prints_what_is_shown(place: Path) -> None:
    first, *_ = examples("README.md")
    install, _, rest = first.code.partition("&&\nfacerec")
    assert "pip install" in install
    hold(first._replace(code=f"facerec{rest}"), place)


def test_the_tutorial_works_from_its_top_to_its_end(place: Path) -> None:
    install, *others = examples("docs/tutorial.md")
    assert install.code.strip() in (ROOT / "README.md").read_text(encoding="utf-8")  # which is run elsewhere
    for example in others:
        hold(example, place)
    assert (place / "named" / "jacinda_ardern_2022.jpg").is_file()


def test_strangers_are_explained_by_what_is_so(place: Path) -> None:
    for example in examples("docs/strangers.md"):
        hold(example, place)


def test_the_trained_model_identifies_as_its_page_shows(place: Path) -> None:
    hold(examples("docs/training.md")[0], place)


def test_a_collection_is_looked_after_as_its_page_says(place: Path) -> None:
    samples, pictures = place / "tests" / "data", place / "Pictures"
    for folder in ("2024", "party"):
        (pictures / folder).mkdir(parents=True)
    for photo in ("emmanuel_macron_2014.jpg", "emmanuel_macron_2025.jpg", "barack_obama.jpg"):
        shutil.copy(samples / photo, pictures / "2024")
    both = ("jacinda_ardern_2022.jpg", "emmanuel_macron_2025.jpg")
    party = side_by_side(pictures / "party" / "party.jpg", *((samples / photo, 700) for photo in both))
    shutil.copy(party, place)
    shutil.copy(samples / "jacinda_ardern_2018.jpg", place / "face.jpg")
    shutil.copy(samples / "jacinda_ardern_2022.jpg", pictures / "2024" / "ada.jpg")
    (place / "names.csv").write_text("group,face,name\n1,,Ada Lovelace\n2,,Charles Babbage\n")
    Example("bash", 'facerec enroll --name "Ada Lovelace" face.jpg', "").run(place)

    looked, found, grouped, named, marked, hidden = (example.run(place) for example in examples("docs/collections.md"))
    assert (place / "people.html").is_file() and "Enrolled" in looked and "Charles Babbage" in looked
    assert f"\n{party}\n" in found
    assert "Ada Lovelace" in grouped and "Enrolled 0 photos" in named and "tagged before" in marked
    assert (place / "ada" / pictures.relative_to("/") / "2024" / "ada.jpg").is_file()
    assert len(list((place / "blurred").rglob("*.jpg"))) == 4, hidden
