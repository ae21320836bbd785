"""Landmarks to chip: the aligned face that every other part of facerec starts from."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from facerec_cli.faces.decoding import Image
from facerec_cli.faces.opencv import cv2

CHIP_SIZE = 112
ALIGNMENT = 1
"""Counts up when ``align`` begins to give other pixels: chips that were kept are then made anew."""
Chip = npt.NDArray[np.uint8]
"""uint8 [112, 112, 3], RGB."""

TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]],
    np.float64,
)
"""Where the five landmarks go in the chip, pixels: ArcFace's template (Deng et al., CVPR 2019), and OpenCV's."""


def align(image: Image, landmarks: npt.NDArray[np.float32]) -> Chip:
    """Cut a face's chip from the full-resolution image.

    The similarity transform is the least-squares one (Umeyama, PAMI 1991), as in OpenCV's
    ``FaceRecognizerSF.alignCrop``; a face much larger than the chip is first reduced by area averaging, which
    alignCrop does not do, so that large photos do not alias.

    Args:
        image: uint8 [height, width, 3], RGB.
        landmarks: float32 [5, 2], pixels of ``image``.

    Returns:
        uint8 [112, 112, 3], RGB; black where the chip reaches outside the image.
    """
    return cut(image, similarity(landmarks.astype(np.float64)), CHIP_SIZE)


def cut(image: Image, transform: npt.NDArray[np.float64], side: int) -> Image:
    """Cut a square out of an image, turned and scaled.

    Args:
        image: uint8 [height, width, 3], RGB.
        transform: float64 [2, 3], the similarity from the image's pixels to the square's.
        side: of the square, pixels.

    Returns:
        uint8 [side, side, 3], RGB; black where it reaches outside the image.
    """
    scale = max(float(np.hypot(transform[0, 0], transform[1, 0])), 1 / max(image.shape))
    reduction = int(1 / scale)
    if reduction >= 2:
        image, transform = _reduce(image, transform, reduction, side)
    return np.asarray(cv2.warpAffine(image, transform, (side, side), flags=cv2.INTER_LINEAR), np.uint8)


def similarity(landmarks: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The similarity transform, float64 [2, 3], that brings landmarks [5, 2] closest to the template."""
    source_mean, target_mean = landmarks.mean(axis=0), TEMPLATE.mean(axis=0)
    source, target = landmarks - source_mean, TEMPLATE - target_mean
    left, values, right = np.linalg.svd(target.T @ source)
    signs = np.array([1.0, np.sign(np.linalg.det(left @ right))])
    rotation = left @ np.diag(signs) @ right
    scale = (values @ signs) / max((source**2).sum(), np.finfo(float).tiny)
    return np.column_stack([scale * rotation, target_mean - scale * rotation @ source_mean])


def _reduce(
    image: Image, transform: npt.NDArray[np.float64], factor: int, side: int
) -> tuple[Image, npt.NDArray[np.float64]]:
    """Cut the part of the image that the square shows, reduced by a whole factor, and the transform that fits it."""
    inverse = cv2.invertAffineTransform(transform)  # all zero for landmarks that are one point
    corners = np.array([[0, 0], [side, 0], [0, side], [side, side]], np.float64)
    reached = corners @ inverse[:, :2].T + inverse[:, 2]
    height, width = image.shape[:2]
    left, top = np.clip(np.floor(reached.min(axis=0)) - factor, 0, [width - 1, height - 1]).astype(int)
    right, bottom = np.clip(np.ceil(reached.max(axis=0)) + factor, [left + 1, top + 1], [width, height]).astype(int)
    part = image[top:bottom, left:right]
    size = (max(1, part.shape[1] // factor), max(1, part.shape[0] // factor))
    reduced = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
    # Pixel centres: full = (reduced + 0.5) * ratio - 0.5 + origin
    ratio = np.array([part.shape[1] / size[0], part.shape[0] / size[1]])
    offset = 0.5 * ratio - 0.5 + np.array([left, top])
    fitted = np.column_stack([transform[:, :2] * ratio, transform[:, :2] @ offset + transform[:, 2]])
    return np.asarray(reduced, np.uint8), fitted


def halved(image: Image) -> Image:
    """An image at half its width and height by averaging, without a last odd row or column; at least a pixel is left.

    It takes a tenth of the time that other ratios take.
    """
    height, width = (max(1, side // 2) for side in image.shape[:2])
    return np.asarray(
        cv2.resize(image[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA), np.uint8
    )
