"""File name endings that say what a file may be, in lower case and with their dot."""

SUFFIXES = frozenset(
    f".{ending}"
    for ending in (
        *("jpg", "jpeg", "jpe", "jfif", "jif", "mpo", "png", "webp", "bmp", "dib", "tif", "tiff"),
        *("heic", "heif", "hif", "avif", "gif", "jp2", "j2k", "jpf", "jpx", "jxl"),
    )
)
"""Those that say photo: such a file is tried, whether or not facerec reads what is in it."""

RAW_SUFFIXES = frozenset(
    f".{ending}"
    for ending in (
        *("3fr", "arw", "cr2", "cr3", "crw", "dng", "erf", "fff", "iiq", "kdc", "mef", "mos", "mrw", "nef"),
        *("nrw", "orf", "pef", "raf", "raw", "rw2", "rwl", "sr2", "srf", "srw", "x3f"),
    )
)
"""Those of sensor data; many are TIFF files whose first picture is a thumbnail, so they are not tried."""
