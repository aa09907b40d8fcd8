"""Runs all benchmarks, or those named, as in python -m tests.bench latency cache: BENCHES below has all names."""

from __future__ import annotations

import os
import sys

from tests import environment  # noqa: F401  # before anything imports Ray

from . import accuracy, cache, jobs, latency, lipsync, mouths, rvc, throughput, video, wav2lip

BENCHES = {
    "lipsync": lipsync.run,
    "mouths": mouths.run,
    "accuracy": accuracy.run,
    "latency": latency.run,
    "cache": cache.run,
    "jobs": jobs.run,
    "throughput": throughput.run,
    "rvc": rvc.run,
    "video": video.run,
    "wav2lip": wav2lip.run,
}


def main(names: list[str]) -> int:
    """Prints a section for each benchmark with the load of the machine around it."""
    for name in names or BENCHES:
        print(f"\n== {name} (load before: {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores)", flush=True)
        BENCHES[name]()
        print(f"   load after: {os.getloadavg()[0]:.1f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
