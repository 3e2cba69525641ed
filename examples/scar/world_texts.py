"""Labelled texts of the embedded world for the offline twin: stories in which somebody insults, and others.

python world_texts.py --count 400 --out world_texts.jsonl
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from saesteer.world.texts import stories_without, story_about

FIRST_SEED = 81_000_000  # stories that neither the world's model nor its SAEs were trained on


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--count", type=int, default=400, help="texts, half of them with insults")
    parser.add_argument("--out", type=Path, default=Path("world_texts.jsonl"))
    a = parser.parse_args()
    insulting = (story_about("insults", FIRST_SEED + number).text for number in range(a.count // 2))
    rows = [{"text": text, "label": 1} for text in insulting]
    rows += [{"text": text, "label": 0} for text in stories_without("insults", a.count - a.count // 2)]
    mixed = [row for pair in zip(rows[: a.count // 2], rows[a.count // 2 :], strict=False) for row in pair]
    a.out.write_text("".join(json.dumps(row) + "\n" for row in mixed), encoding="utf-8")


if __name__ == "__main__":
    main()
