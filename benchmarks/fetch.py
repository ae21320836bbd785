"""Time downloads from a server of 8 MB/s a connection: one job, eight jobs, and aria2c.

    apt-get install nginx-light aria2
    python benchmarks/fetch.py ARCHIVE [--runs 7]

ARCHIVE (such as lfw-deepfunneled.tgz, 109 MB) is served by nginx on loopback. They take turns; medians.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from facerec_cli.datasets.download import sha256_of

PORT = 8973
CONFIG = """
worker_processes 1; daemon off; pid {work}/nginx.pid; error_log {work}/error.log;
events {{ worker_connections 256; }}
http {{ access_log off; sendfile on; server {{ listen 127.0.0.1:{port}; root {root}; limit_rate 8m; }} }}
"""
OURS = """
import sys
from pathlib import Path
from facerec_cli.cli.progress import DownloadBars
from facerec_cli.datasets.answers import Settings
from facerec_cli.datasets.download import download
from facerec_cli.datasets.remote import RemoteFile
url, folder, jobs, sha256 = sys.argv[1:]
file, settings = RemoteFile("file", (url,), sha256), Settings(jobs=int(jobs))
sys.exit(download([file], Path(folder), DownloadBars(), settings)["file"] is not None)
"""


def main() -> None:
    """Serve, fetch in turn, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", type=Path)
    parser.add_argument("--runs", type=int, default=7)
    arguments = parser.parse_args()
    archive: Path = arguments.archive.resolve()
    sha256 = sha256_of(archive)
    url = f"http://127.0.0.1:{PORT}/{archive.name}"
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        work.chmod(0o755)
        (work / "nginx.conf").write_text(CONFIG.format(work=work, port=PORT, root=archive.parent))
        server = subprocess.Popen(["nginx", "-c", work / "nginx.conf"], stderr=subprocess.DEVNULL)
        time.sleep(1)
        commands = {
            "facerec, 1 job": [sys.executable, "-c", OURS, url, str(work), "1", sha256],
            "facerec, 8 jobs": [sys.executable, "-c", OURS, url, str(work), "8", sha256],
            "aria2c -x8": ["aria2c", "-q", "-x8", "-d", str(work), "-o", "file", url],
            "aria2c -x8 -s8 -k1M": ["aria2c", "-q", "-x8", "-s8", "-k1M", "-d", str(work), "-o", "file", url],
        }
        seconds: dict[str, list[float]] = {label: [] for label in commands}
        megabytes: dict[str, float] = dict.fromkeys(commands, 0.0)
        try:
            for _ in range(arguments.runs):
                for label, command in commands.items():
                    start = time.perf_counter()
                    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                    _, status, usage = os.wait4(process.pid, 0)
                    process.returncode = status
                    seconds[label].append(time.perf_counter() - start)
                    megabytes[label] = max(megabytes[label], usage.ru_maxrss / 1024)
                    fetched = work / "file"
                    assert sha256_of(fetched) == sha256, label
                    fetched.unlink()
        finally:
            server.terminate()
            server.wait()
    one = statistics.median(seconds["facerec, 1 job"])
    print(f"{archive.name}, {archive.stat().st_size / 1e6:.0f} MB, 8 MB/s a connection")
    for label, times in seconds.items():
        median = statistics.median(times)
        print(f"{label:<22}{median:7.2f} s   {one / median:5.2f} x one job   peak {megabytes[label]:.0f} MB")


if __name__ == "__main__":
    main()
