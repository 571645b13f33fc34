"""``make bench`` (``make bench ONLY=name``): run the measurements and write bench/results.json.

Each module of PARTS has ``measure() -> list of rows``. A row is
{"name", "value", "unit", "baseline", "ratio", "goal", "met", "how"}: what was measured, the baseline of the same run,
their ratio, the goal that an issue or a document names and whether it is met (null: none is named, or it was not
measured), and the command that repeats it.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).with_name("results.json")
PARTS = ("session", "face", "document", "liveness", "media", "media_reconnect", "media_soak", "playback")
KEYS = ("name", "value", "unit", "baseline", "ratio", "goal", "met", "how")


def measure(part: str) -> list[dict[str, Any]]:
    """The rows of one part, in the common form. Raises ValueError for a row of another shape."""
    rows = importlib.import_module(f"bench.{part}").measure()
    for row in rows:
        if set(row) != set(KEYS):
            raise ValueError(f"bench.{part}: a row must have exactly {', '.join(KEYS)}; this has {', '.join(row)}")
    return [{key: row[key] for key in KEYS} for row in rows]


def kept(fresh: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Earlier results with the fresh ones in their place."""
    earlier = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else []
    names = {row["name"] for row in fresh}
    return sorted([row for row in earlier if row["name"] not in names] + fresh, key=lambda row: str(row["name"]))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=PARTS, help="one part")
    asked = parser.parse_args()
    for part in (asked.only,) if asked.only else PARTS:
        print(f"{part} ...", flush=True)
        rows = measure(part)
        RESULTS.write_text(json.dumps(kept(rows), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        for row in rows:
            met = {True: "met", False: "NOT met", None: ""}[row["met"]]
            ratio = "" if row["ratio"] is None else f"  ratio {row['ratio']}"
            print(f"  {row['name']}: {row['value']} {row['unit']}{ratio}  {met}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
