"""How exact the mouth is on recordings, and what it costs: every engine that reads them, clean and harmed."""

from __future__ import annotations

from deployments.core import engines
from tests.deployments.lipsync.recordings import HARMS, score


def run() -> None:
    """Limits on clean sound: align 0.78, 1.00, 0.05, 0.04; recognize 0.74, 0.93, 0.15, 0.16; harmed: strict 0.53."""
    print(f"   {'':26}  strict  closures  false a second    FF  CPU s a second")
    for name in ("align", "recognize"):
        engine = engines.load("lipsync", name, {})
        for harm in HARMS:
            figures = score(engine, with_text=name == "align", harm=harm)
            print(
                f"   {name:10}{harm:16}  {figures['strict']:6.3f}  {figures['closures']:8.3f}"
                f"  {figures['false_cl_per_s']:14.3f}  {figures['FF']:4.2f}  {figures['cpu']:14.4f}"
            )
