"""Write docs/calibration.md from docs/figures/calibration.json, which `--measure` makes.

    python scripts/write_calibration.py --measure     # minutes on two cores
    python scripts/write_calibration.py

No figure and no line of output is typed by hand; the text of the page is in `page`.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import shlex
from contextlib import redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from saesteer.cli.main import main as saesteer

DOCS: Final = Path(__file__).parents[1] / "docs"
RECORD: Final = DOCS / "figures" / "calibration.json"
COMMANDS: Final = {
    "make": "steer world/wedding --out wedding.yaml",
    "calibrate": "calibrate wedding.yaml --concept world/wedding --judge oracle --budget coherence=0.8 "
    "--out calibrated.yaml",
    "distance": "calibrate wedding.yaml --concept world/wedding --budget kl=0.05",
    "unit": "steer world/wedding --strength 0.05 --unit kl --out wedding_kl.yaml",
    "control": "steer world/wedding --method random_direction --seed 1 --out random.yaml",
    "inert": "calibrate random.yaml --concept world/wedding --judge oracle --rounds 1",
}


def measure() -> dict[str, Any]:
    """What each command prints, in a folder that is thrown away, on a terminal of 80 columns."""
    os.environ["COLUMNS"] = "80"
    found: dict[str, Any] = {}
    before = Path.cwd()
    with TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            for name, line in COMMANDS.items():
                said = io.StringIO()
                with redirect_stdout(said):
                    code = saesteer(shlex.split(line))
                if code:
                    raise SystemExit(f"saesteer {line} ended with {code}")
                found[name] = {"command": f"saesteer {line}", "output": said.getvalue().rstrip()}
        finally:
            os.chdir(before)
    return found


def shown(found: dict[str, Any]) -> str:
    """A command with its output."""
    lines = [line.rstrip() for line in found["output"].splitlines()]
    return "\n".join(["```", f"$ {found['command']}", *lines, "```"])


def page(found: dict[str, Any] | None = None) -> str:
    """The page."""
    found = json.loads(RECORD.read_text(encoding="utf-8")) if found is None else found
    return f"""\
<!-- Written by scripts/write_calibration.py; change the text there. -->

# Calibration: how strong?

A direction says where to steer, and nothing says how far. `saesteer calibrate` answers with the strength
that brings the concept out most within a budget that you state, the whole dose-response curve it was read
from, the safe window, and an interval; where no strength works it says why.

{shown(found["make"])}

{shown(found["calibrate"])}

One line per strength that was tried. The arrow is the choice, the line beside it the safe window; `behav.`
and `coher.` are the judge's means over `n` texts of the selection half, the bar is behaviour. The spec in
`calibrated.yaml` has the strength, its resolved value and, under `provenance`, what it was calibrated by.

In Python:

```python
fit = ss.calibrate(lm, spec, concept, judge="oracle", budget={{"coherence": 0.8}})
fit.spec, fit.strength, fit.window, fit.verdict, fit.curve, fit.outcome, fit.warnings
with ss.steer(lm, fit.spec):
    print(lm.generate(["I think"], n=4))
```

## Budgets

All limits that are given hold at once. With p the plain and q the steered distribution of the next token,
and means over the tokens of fixed texts (teacher forced; by default negative texts of the concept):

| limit | is | told by |
|---|---|---|
| `coherence` | mean coherence of what is written, at least | the judge |
| `kl` | mean KL(q \\|\\| p) in nats per token, at most | fixed texts |
| `nats` | mean of ln p(t) - ln q(t), the cross-entropy that steering adds, at most | fixed texts |
| `added_perplexity` | exp(nats) - 1, the growth of perplexity, at most | fixed texts |
| `residual_norm` | mean length of the edit over that of the activation where it acts, at most | fixed texts |

KL(q || p) is the direction in which the distance to a base model is usually stated; along texts that the
steered model itself wrote, its sum is the KL of whole texts. `evaluation.divergences` gives KL(p || q) too,
and `evaluation.divergences_along` both along texts that were written under steering.

Without a judge the answer is the largest strength, counted from zero, at which the limits hold, and the
verdict is `unjudged`: whether the concept shows there, nobody has looked:

{shown(found["distance"])}

## How it is found

1. A net of octaves on the fixed texts finds the scale, whatever the unit: from where KL is under 0.003 to
   where the model breaks. Where KL stays under 0.001 everywhere the direction is inert, and nothing is
   written.
2. Limits that fixed texts tell are bracketed there. No strength beyond them is ever chosen.
3. A first net of strengths at even steps of KL is written and judged, all in shared batches in which every
   row has a strength of its own, on one half of the prompts.
4. Two further nets lie where coherence crosses its limit and around the best behaviour.
5. The best four are written again, twice as often, because the best of many is best partly by chance.
6. Of those within the budget whose behaviour is above the plain model's (95 % interval over prompts), the
   one with the most behaviour is chosen, and measured again on the other half of the prompts, which must
   confirm that it is above the plain model's.

The interval of the strength is a bootstrap: prompts are drawn anew 2,000 times, and each draw chooses again
among the same strengths. It is wide where the curve is flat on top: then many strengths are as good.
Without a judge texts are drawn, and each draw reads its limit off its own curve. The interval knows nothing
of strengths that were not tried.

The safe window is the run of strengths around the chosen one that were all within the budget and all had an
effect.

Equal seeds give equal answers. With `folder=` samples are kept, and a killed run goes on where it stood.

## Where no strength works

| verdict | means |
|---|---|
| `inert` | the next-token distributions never move, or they move and the concept does not, beyond chance |
| `coherence` | the concept shows only where coherence has collapsed (or in broken sentences alone) |
| `not in SAE` | the spec's latents are silent on the concept's texts, or do not tell them; and which does |
| `budget` | the concept shows only beyond the budget, or the plain model does not hold it |

The spec of such an answer is switched off, and Python warns `NoStrengthWorks`. A random direction, for
example:

{shown(found["control"])}

{shown(found["inert"])}

## The units kl and nats

A strength can be stated as a distance: `unit: kl` or `unit: nats`, as mean KL(q || p) or added
cross-entropy per token on texts. It is resolved once, by the same bracketing, and the raw number is stored
in the spec with what it was measured on. Unlike `residual_norm` these units have no fixed factor, so
another value is resolved anew; a negative value is that distance the other way. On the command line the
texts are the concept's negative ones.

{shown(found["unit"])}

## Search with a judge

`saesteer search CONCEPT --candidates 200` chooses latents, signs, ops and strengths together by successive
halving: every candidate is written a few times, the best third goes on and is written as often again as
before, until four are left. Candidates are latents by turns of four rankings (what tells whole texts, what
tells tokens, what writes the concept's words, and what is active where the concept is not, to be steered
away from), each at four distances of KL. A candidate stays as long as its coherence may still be the one
that is asked for; the winner's is, and it is measured on the half of the prompts that had no say. `--spec`
adds other specs to the contest, `--openings` directions at the first places of the prompt alone: difference
of means or trained, after blocks at three depths, up to place 3, 6 or 12, which on the embedded world beats
every latent (methods_compared.md). The distances are steps apart; `saesteer calibrate` finds the strength
between.
"""


def main() -> None:
    reader = argparse.ArgumentParser(description=__doc__)
    reader.add_argument("--measure", action="store_true", help="run the commands anew")
    if reader.parse_args().measure:
        text = json.dumps(measure(), ensure_ascii=False, indent=1) + "\n"
        RECORD.write_text(text, encoding="utf-8")
    (DOCS / "calibration.md").write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
