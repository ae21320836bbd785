"""The one place that imports OpenCV: ``from facerec_cli.faces.opencv import cv2``."""

import os

from facerec_cli.errors import DependencyError

MAX_PIXELS = 250_000_000
"""Largest photo that is decoded, in pixels (width x height): the largest of telephones have 200 million."""

# OpenCV reads these once, while it loads, and then refuses larger pictures from their header alone.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(MAX_PIXELS))
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
# Of a damaged video FFmpeg would write what it thinks of each frame; a camera's pictures over UDP arrive in pieces.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
os.environ.setdefault("OPENCV_FFMPEG_CAPTURE_OPTIONS", "rtsp_transport;tcp")

try:
    import cv2
except ImportError as error:
    if "libGL" in str(error) or "libgthread" in str(error) or "libglib" in str(error):
        raise DependencyError(
            f"OpenCV cannot start because a system library is missing ({error})",
            "run `apt-get install libgl1 libglib2.0-0`, or `pip uninstall opencv-python` and then "
            "`pip install 'opencv-python-headless<5'`, which needs neither",
        ) from error
    raise

__all__ = ["MAX_PIXELS", "cv2"]
