"""What several floors take where nothing else is said; imports nothing, so that ``--help`` can name it."""

VERSION = "0.1.0"
DEFAULT_MODEL = "pretrained"
MODELS = "models"
"""Folder in which models are looked up by name, and which new ones are written to."""
UNKNOWN = "unknown"
"""What a face is called that nobody enrolled is near enough to; nobody can have it as a name."""
DATABASE_INDEX = "gallery.h5"
"""The file by which a folder is known to be a database."""
DEFAULT_FPIR = 0.01
"""Share of strangers that may be named (false positive identification rate, ISO/IEC 19795-1)."""
DEFAULT_FMR = 0.001
"""Share of pairs of different people that may be called the same (false match rate)."""
CPU = "cpu"
AUTO = "auto"
"""The first device that is faster than the CPU, where the work is long enough to pay for its start."""
DEVICE_NAMES = ("cuda", "tensorrt", "directml", "coreml", "openvino")
"""What an encoder can run on beside the CPU."""
WORKING_SIZE: int | None = None
"""Bound on a photo's longer side at detection, pixels; None to have it chosen by the photo."""
FULL_SIZE = 1_000_000
"""The bound that bounds no photo."""
