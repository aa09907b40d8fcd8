"""avatar-serve parity: does an engine compute what the references say, on this machine and in this precision?"""

from __future__ import annotations

import argparse
import importlib


def run(parsed: argparse.Namespace) -> int:
    """Prints a line for each array of each case; 1 if any is beyond its tolerance."""
    # An engine with references has parity.check(folder, device, dtype), which gives core.parity.Rows.
    parity = importlib.import_module(f"deployments.{parsed.room}.engines.{parsed.engine}.parity")
    print(f"{'case':24}{'array':13}{'SNR dB':>8}{'least':>8}{'worst':>11}{'most':>9}")
    failed = 0
    for row in parity.check(parsed.folder, parsed.device, parsed.dtype):
        figures = f"{row.snr_db:8.1f}{row.least_snr_db:8.0f}{row.worst:11.2g}{row.most_worst:9.2g}"
        print(f"{row.case:24}{row.array:13}{figures}  {'ok' if row.good else 'BEYOND TOLERANCE'}", flush=True)
        failed += not row.good
    print(f"{failed} beyond tolerance." if failed else "All within tolerance.")
    return 1 if failed else 0
