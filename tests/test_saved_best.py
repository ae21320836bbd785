"""The trained model of this repository: what it is, and that it recognises."""

from __future__ import annotations

from pathlib import Path

from facerec_cli.datasets.lfw import everybody
from facerec_cli.encoders.bundle import CALIBRATION_PEOPLE, TRAINING_PEOPLE, read_bundle
from facerec_cli.encoders.onnx_encoder import load_encoder
from facerec_cli.faces.extraction import Extractor

SAVED_BEST = Path(__file__).parents[1] / "models" / "saved_best"


def test_it_is_whole_small_and_trained_on_nobody_of_view_1s_test() -> None:
    bundle = read_bundle(SAVED_BEST)
    bundle.encoder_bytes()
    assert len(bundle.network_bytes()) > 1e6
    files = [path for path in SAVED_BEST.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 10e6
    assert {path.relative_to(SAVED_BEST).as_posix() for path in files} == {"model.json", "encoder.onnx", *bundle.sha256}
    test = {person.name for person in everybody() if person.view1 == "test"}
    trained, held_out = bundle.people(TRAINING_PEOPLE), bundle.people(CALIBRATION_PEOPLE)
    assert len(trained) == 3615 and len(held_out) == 403
    assert not trained & held_out and not (trained | held_out) & test


def test_it_tells_the_people_of_the_samples_apart(samples: Path) -> None:
    bundle, extractor = read_bundle(SAVED_BEST), Extractor()
    pairs = ("jacinda_ardern_2018", "jacinda_ardern_2022", "emmanuel_macron_2014", "emmanuel_macron_2025")
    photos = [samples / f"{photo}.jpg" for photo in (*pairs, "rishi_sunak")]
    embeddings = load_encoder(bundle).encode([extractor.extract(photo).one_face().chip for photo in photos])
    distances = bundle.load_metric().matrix(embeddings, embeddings)
    assert distances[0, 1] < distances[0, 2:].min()
    assert distances[2, 3] < min(distances[2, 0], distances[2, 1], distances[2, 4])
