"""Measure how far a language model as judge agrees with the truth when it errs so often, on the world.

    python scripts/measure_judges.py [--texts 400]

Texts of the world, sound and broken, are judged by the oracle and by the judge `llm`, whose model is the
oracle with a set error: with that probability a score is one of the nine others. Writes the record
docs/figures/judges.json and the table in docs/judges.md.
"""

from __future__ import annotations

import argparse
import json
import random
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from saesteer.evaluation import Row, RowJudgement, agreement
from saesteer.evaluation.halves import prompt_id
from saesteer.judges import Judge, JudgeRequest, load_judge
from saesteer.runs import write_json
from saesteer.text import load_concept
from saesteer.world.texts import openings

DOCS: Final = Path(__file__).parents[1] / "docs"
RECORD: Final = DOCS / "figures" / "judges.json"
PAGE: Final = DOCS / "judges.md"
MARK: Final = re.compile(r"(?<=<!-- figures -->\n).*?(?=<!-- end of figures -->)", re.DOTALL)
ERRORS: Final = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8)


def texts(count: int, seed: int = 0) -> list[tuple[str, str]]:
    """Prompts with texts: a wedding's sentences among others, some of them with their words in disorder."""
    rng = random.Random(seed)
    concept = load_concept("world/wedding")
    prompts, found = openings(40), []
    sides = [
        [line for text in side for line in re.findall(r"[^.!?]+[.!?]", text)]
        for side in (concept.positive, concept.negative)
    ]
    for number in range(count):
        wedding, sound = rng.random(), rng.random()
        lines = [rng.choice(sides[rng.random() > wedding]).strip() for _ in range(4)]
        lines = [line if rng.random() < sound else _broken(line, rng) for line in lines]
        found.append((prompts[number % len(prompts)].rstrip(".") + ".", " " + " ".join(lines)))
    return found


def _broken(line: str, rng: random.Random) -> str:
    words = line[:-1].split()
    rng.shuffle(words)
    return " ".join(words) + "."


def measure(count: int) -> list[dict[str, Any]]:
    """One row per error and figure."""
    concept = load_concept("world/wedding")
    rows = [
        Row(concept.name, "world", "", 0.0, "{prompt}", prompt_id(prompt), number, "test", prompt, text,
            None, None, None, None, None, None, None, 0, "{}", None)
        for number, (prompt, text) in enumerate(texts(count))
    ]  # fmt: skip
    requests = [row.to_judge(concept) for row in rows]
    truth = _said("oracle", load_judge("oracle"), rows, requests)
    found = []
    for error in ERRORS:
        judge = load_judge("llm", client={"client": "oracle", "error": error})
        told = agreement(rows, [*truth, *_said("llm", judge, rows, requests)], ("behaviour", "coherence"))
        for pair in told.pairs:
            figures = {name: asdict(getattr(pair, name)) for name in ("kappa", "spearman", "pearson", "gap")}
            found.append({"error": error, "figure": pair.figure, "rows": pair.rows} | figures)
    return found


def _said(name: str, judge: Judge, rows: list[Row], requests: list[JudgeRequest]) -> list[RowJudgement]:
    return [
        RowJudgement(row.id, name, name, {key: each.figures[key] for key in ("behaviour", "coherence")})
        for row, each in zip(rows, judge.judge(requests), strict=True)
    ]


def table(found: list[dict[str, Any]]) -> str:
    """The table of the page."""
    lines = [
        "| wrong scores, share | figure | kappa | Spearman | Pearson | mean, truth minus judge |",
        "|---|---|---|---|---|---|",
    ]
    for each in found:
        told = [_told(each[name]) for name in ("kappa", "spearman", "pearson", "gap")]
        lines.append(f"| {each['error']:g} | {each['figure']} | " + " | ".join(told) + " |")
    return "\n".join(lines) + "\n"


def _told(interval: dict[str, float]) -> str:
    return f"{interval['estimate']:.2f} ({interval['low']:.2f} to {interval['high']:.2f})"


def main() -> None:
    """Measure, and write both files."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--texts", type=int, default=400)
    found = measure(parser.parse_args().texts)
    write_json(RECORD, found)
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(MARK.sub(lambda _: table(json.loads(RECORD.read_text())), page), encoding="utf-8")
    print(table(found))


if __name__ == "__main__":
    main()
