"""Which method groups a collection's faces by person best, and how good the threshold is that the calibration gives.

    python benchmarks/clustering.py LFW [methods | rule | poor | scale]

``methods``: each at several thresholds, on embeddings from which their mean is taken: the best threshold is chosen by
the answer. ``rule``: ``recognition.clustering``, which does not know the answer, on LFW, parts of it, and its photos
spoilt. ``poor``: below which quality faces should begin no group, where photos are ruined. ``scale``: a hundred
thousand faces, LFW's several times over with noise.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections import Counter
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage
from PIL import ImageFilter

from facerec_cli import Recognizer
from facerec_cli.datasets.chips import ChipSet, load_chips
from facerec_cli.encoders.bundle import resolve_bundle
from facerec_cli.encoders.encoder import Embeddings, encode_all
from facerec_cli.encoders.onnx_encoder import load_encoder
from facerec_cli.recognition.clustering import cluster
from facerec_cli.recognition.linkage import Labels, average_linkage, in_order

Method = Callable[[Embeddings, float], Labels]
NEIGHBOURS = 200
SPOILT = 2_000
"""Faces that are spoilt in each way."""
MIDDLE, NEAR = (125, 125), 60
"""Where the face is whose person a photo of LFW is named after, pixels."""


def unit(vectors: npt.NDArray[np.float32]) -> Embeddings:
    """Vectors at unit length."""
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def scores(labels: Labels, people: Labels) -> dict[str, float]:
    """Pairwise and BCubed precision, recall and F (Amigó et al., Information Retrieval 2009)."""
    _, of, both = np.unique(labels * (people.max() + 1) + people, return_inverse=True, return_counts=True)
    groups, photos = np.bincount(labels), np.bincount(people)
    pairs = [float((sizes * (sizes - 1.0)).sum()) for sizes in (both, groups, photos)]
    precision, recall = float((both[of] / groups[labels]).mean()), float((both[of] / photos[people]).mean())
    pairwise = pairs[0] / max(pairs[1], 1), pairs[0] / max(pairs[2], 1)
    return {
        **{"pairwise P": pairwise[0], "R": pairwise[1], "F": harmonic(*pairwise)},
        **{"BCubed P": precision, "R ": recall, "F ": harmonic(precision, recall)},
    }


def harmonic(one: float, other: float) -> float:
    """Their harmonic mean."""
    return 2 * one * other / max(one + other, 1e-9)


def edges(vectors: Embeddings, least: float) -> tuple[Labels, Labels, npt.NDArray[np.float32]]:
    """Pairs that are alike enough, both ways, row by row, and how alike they are."""
    found = []
    for start in range(0, len(vectors), 1000):
        block = vectors[start : start + 1000] @ vectors.T
        block[np.arange(len(block)), start + np.arange(len(block))] = -1
        rows, columns = np.nonzero(block >= least)
        found.append((rows + start, columns, block[rows, columns]))
    rows, columns, alike = (np.concatenate(part) for part in zip(*found, strict=True))
    return rows, columns, alike


def components(vectors: Embeddings, least: float) -> Labels:
    """Connected components."""
    from scipy.sparse import coo_matrix  # noqa: PLC0415
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415

    rows, columns, _ = edges(vectors, least)
    graph = coo_matrix((np.ones(len(rows)), (rows, columns)), (len(vectors),) * 2)
    return in_order(connected_components(graph, directed=False)[1].astype(np.int64))


def whispers(vectors: Embeddings, least: float) -> Labels:
    """Chinese whispers (Biemann, TextGraphs 2006): each takes the label that most of its neighbours' likeness has."""
    rows, columns, alike = edges(vectors, least)
    begins = np.searchsorted(rows, np.arange(len(vectors) + 1))
    labels, generator = np.arange(len(vectors)), np.random.default_rng(0)
    for _ in range(20):
        for one in generator.permutation(len(vectors)):
            near = slice(begins[one], begins[one + 1])
            if near.start < near.stop:
                names, place = np.unique(labels[columns[near]], return_inverse=True)
                labels[one] = names[np.bincount(place, alike[near]).argmax()]
    return in_order(labels)


def dbscan(vectors: Embeddings, least: float) -> Labels:
    """DBSCAN of scikit-learn with three faces to a core; noise is alone."""
    from sklearn.cluster import DBSCAN  # noqa: PLC0415

    return alone(DBSCAN(eps=(2 - 2 * least) ** 0.5, min_samples=3).fit(vectors).labels_)


def hdbscan(vectors: Embeddings, least: float) -> Labels:
    """HDBSCAN of scikit-learn, which has no threshold; noise is alone."""
    from sklearn.cluster import HDBSCAN  # noqa: PLC0415

    return alone(HDBSCAN(min_cluster_size=2, min_samples=1, copy=True).fit(vectors).labels_)


def alone(labels: npt.NDArray[np.int64]) -> Labels:
    """Labels in which each -1 is a group of its own."""
    return in_order(np.where(labels < 0, labels.max() + 1 + np.arange(len(labels)), labels))


def rank_order(vectors: Embeddings, least: float) -> Labels:
    """Approximate rank order (Otto, Wang and Jain, PAMI 2018): by the neighbours that two faces share."""
    near = np.concatenate(
        [np.argsort(-(part @ vectors.T), axis=1)[:, :NEIGHBOURS] for part in np.array_split(vectors, 20)]
    )
    rank = [{one: place for place, one in enumerate(row)} for row in near.tolist()]
    parent = list(range(len(vectors)))

    def root(one: int) -> int:
        while parent[one] != one:
            parent[one] = parent[parent[one]]
            one = parent[one]
        return one

    def beyond(one: int, other: int) -> int:
        return sum(shared not in rank[other] for shared in near[one, : rank[one][other] + 1].tolist())

    for one in range(len(vectors)):
        for other in near[one, 1:20].tolist():
            if one in rank[other]:
                far = beyond(one, other) + beyond(other, one)
                if far / max(1, min(rank[one][other], rank[other][one])) < least:
                    parent[root(one)] = root(other)
    return in_order(np.array([root(one) for one in range(len(vectors))]))


METHODS: dict[str, tuple[Method, tuple[float, ...]]] = {
    "average linkage": (average_linkage, (0.35, 0.375, 0.4, 0.425)),
    "Chinese whispers": (whispers, (0.4, 0.45)),
    "connected components": (components, (0.475, 0.5, 0.525)),
    "DBSCAN": (dbscan, (0.45, 0.5)),
    "HDBSCAN": (hdbscan, (0.0,)),
    "approximate rank order": (rank_order, (0.03, 0.1)),
}


def told(name: str, labels: Labels, people: Labels, seconds: float) -> None:
    """Print a line."""
    line = "  ".join(f"{measure.strip()} {value:.4f}" for measure, value in scores(labels, people).items())
    print(f"{name:44} {line}  groups {labels.max() + 1:6,} of {people.max() + 1:6,}  {seconds:6.1f} s", flush=True)


def sets(people: Labels) -> Iterator[tuple[str, npt.NDArray[np.int64]]]:
    """LFW, and parts of it, as rows."""
    photos, generator = np.bincount(people), np.random.default_rng(1)
    yield "people with several photos", np.flatnonzero(photos[people] > 1)
    yield "everybody", np.arange(len(people))
    for faces in (100, 1_000, 10_000):
        yield f"{faces:,} faces", generator.permutation(len(people))[:faces]
    most = np.argsort(-photos)
    yield "one person's 530", np.flatnonzero(people == most[0])
    yield "five people's 1,140", np.flatnonzero(np.isin(people, most[:5]))
    others = [np.flatnonzero(people == one)[0] for one in generator.permutation(len(photos))[:30]]
    yield "one person's 530, and 30 others", np.concatenate([np.flatnonzero(people == most[0]), others])


def spoil(chip: npt.NDArray[np.uint8]) -> dict[str, npt.NDArray[np.uint8]]:
    """A chip, cut tight, grey, blurred and dark."""
    tight = np.zeros_like(chip)
    tight[14:-10, 14:-14] = chip[14:-10, 14:-14]
    small = cv2.resize(chip, (28, 28), interpolation=cv2.INTER_AREA)
    return {
        "tight": tight,
        "grey": np.repeat(chip.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2),
        "blurred": np.asarray(cv2.resize(small, (112, 112), interpolation=cv2.INTER_CUBIC), np.uint8),
        "dark": (255 * (chip / 255) ** 2.2).astype(np.uint8),
    }


def methods(chips: ChipSet, embeddings: Embeddings, people: Labels) -> None:
    """Each method at each threshold, on those with several photos and on everybody."""
    for name, rows in list(sets(people))[:2]:
        vectors, own = unit(embeddings[rows] - embeddings[rows].mean(axis=0)), in_order(people[rows])
        for method, (run, thresholds) in METHODS.items():
            for threshold in thresholds:
                began = time.perf_counter()
                found = run(vectors, threshold)
                told(f"{name}: {method} at {threshold}", found, own, time.perf_counter() - began)


def rule(chips: ChipSet, embeddings: Embeddings, people: Labels) -> None:
    """What ``recognition.clustering`` finds."""
    bundle = resolve_bundle("pretrained")

    def run(name: str, vectors: Embeddings, own: Labels) -> None:
        began = time.perf_counter()
        told(name, cluster(bundle, vectors), own, time.perf_counter() - began)

    for name, rows in sets(people):
        run(name, embeddings[rows], in_order(people[rows]))
    times: Counter[int] = Counter()
    order = np.random.default_rng(2).permutation(np.bincount(people).argsort())
    few: list[int] = []
    for row in np.argsort(order[people], kind="stable").tolist():
        times[people[row]] += 1
        if times[people[row]] <= 5 and len(few) < SPOILT:
            few.append(row)
    encoder = load_encoder(bundle)
    for kind in spoil(np.asarray(chips.chips[0])):
        spoilt = encode_all(encoder, (spoil(np.asarray(chips.chips[row]))[kind] for row in few), len(few))
        run(f"{len(few):,} faces, {kind}", spoilt, in_order(people[few]))


def ruined(photo: PillowImage.Image, kind: int) -> PillowImage.Image:
    """A photo of LFW that says little: blurred, blurred more, reduced to 50 pixels, dark, compressed."""
    if kind < 2:
        return photo.filter(ImageFilter.GaussianBlur(4 + 2 * kind))
    if kind == 2:
        return photo.resize((50, 50), PillowImage.Resampling.BOX).resize(photo.size)
    if kind == 3:
        return PillowImage.fromarray((255 * (np.asarray(photo) / 255) ** 4).astype(np.uint8))
    photo.save(buffer := BytesIO(), "JPEG", quality=3)
    return PillowImage.open(buffer).convert("RGB")


def poor(chips: ChipSet, embeddings: Embeddings, people: Labels) -> None:
    """LFW with photos that are ruined, looked at anew, by the quality below which faces begin no group."""
    rows = np.random.default_rng(5).permutation(len(people))[:SPOILT]
    recognizer = Recognizer()

    def photos() -> Iterator[npt.NDArray[np.uint8]]:
        for kind, row in enumerate(rows.tolist()):
            with PillowImage.open(chips.folder / chips.photos[row]) as photo:
                yield np.asarray(ruined(photo.convert("RGB"), kind % 5))

    vectors, there = embeddings.copy(), np.full(len(people), True)
    quality = np.ones(len(people))
    for row, found in zip(rows.tolist(), recognizer.embed_photos(photos()), strict=True):
        middle = [
            place
            for place, face in enumerate(found.faces)
            if np.hypot(*(np.add(face.box[:2], np.array(face.box[2:]) / 2) - MIDDLE)) < NEAR
        ]
        there[row] = bool(middle)
        if middle:
            face = found.faces[middle[0]]
            vectors[row] = found.embeddings[middle[0]]
            quality[row] = 0 if face.doubtful else face.quality_score
    vectors, own, quality = vectors[there], in_order(people[there]), quality[there]
    for limit in (0, 0.2, 0.4, 0.6, 0.7):
        began = time.perf_counter()
        labels = cluster(recognizer.bundle, vectors, None, quality < limit)
        told(f"{(quality < limit).sum():,} faces below {limit}", labels, own, time.perf_counter() - began)
        several = [set(own[labels == group].tolist()) for group in np.flatnonzero(np.bincount(labels) > 1)]
        print(f"{sum(len(one) > 1 for one in several):,} of {len(several):,} groups hold several people", flush=True)


def scale(chips: ChipSet, embeddings: Embeddings, people: Labels) -> None:
    """A hundred thousand faces."""
    copies = -(-100_000 // len(embeddings))
    vectors = np.tile(embeddings, (copies, 1))[:100_000]
    noise = np.random.default_rng(0).normal(0, 0.02, vectors.shape)
    began = time.perf_counter()
    found = cluster(resolve_bundle("pretrained"), unit(np.asarray(vectors + noise, np.float32)))
    told("100,000 faces", found, np.tile(people, copies)[:100_000], time.perf_counter() - began)
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")


def main() -> None:
    """Run the parts that are asked for."""
    parts = {"methods": methods, "rule": rule, "poor": poor, "scale": scale}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lfw", type=Path, help="LFW's photos, unpacked")
    parser.add_argument("parts", nargs="*", choices=[*parts, []], default=list(parts), help="all, by default")
    parser.add_argument("--embeddings", type=Path, help="float32 [photos, d] of the data set's chips, .npy")
    arguments = parser.parse_args()
    chips = load_chips(arguments.lfw)
    people = np.unique(chips.people, return_inverse=True)[1].astype(np.int64)
    if arguments.embeddings:
        embeddings = np.load(arguments.embeddings, allow_pickle=False)
    else:
        encoder = load_encoder(resolve_bundle("pretrained"))
        embeddings = encode_all(encoder, (np.asarray(chip) for chip in chips.chips), len(chips.photos))
    for part in arguments.parts:
        parts[part](chips, embeddings, people)


if __name__ == "__main__":
    main()
