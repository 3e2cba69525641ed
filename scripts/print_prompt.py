"""Print what an explainer asks a language model about a latent of the embedded world.

    python scripts/print_prompt.py [default | contrastive | single_token] [--latent 604] [--levels]

More options: --help. Nothing is asked. `--short` leaves the constant part out.
"""

from __future__ import annotations

import argparse

from saesteer import load_model, load_sae
from saesteer.explainers import EXPLAINERS
from saesteer.llms import Refused, Reply, Request
from scripts.world_records import captured


class Nobody:
    """A client that is never asked: prompts are printed, not sent."""

    name = "nobody"

    async def complete(self, request: Request) -> Reply:
        raise Refused("prompts are printed here, not sent; take another client")

    def fingerprint(self) -> str:
        return self.name

    async def close(self) -> None:
        pass


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    names = ["default", "contrastive", "single_token"]
    parser.add_argument("explainer", nargs="?", default="default", choices=names)
    parser.add_argument("--latent", type=int, default=604, help="of world/layers.3; 604 is about the sea")
    parser.add_argument("--examples", type=int, default=5)
    parser.add_argument("--levels", action="store_true")
    parser.add_argument("--reasoning", action="store_true")
    parser.add_argument("--short", action="store_true")
    given = vars(parser.parse_args())
    name, latent, short = (given.pop(each) for each in ("explainer", "latent", "short"))
    explainer = EXPLAINERS.get(name)(Nobody(), **given)
    messages = explainer.prompt(captured(load_model("world"), load_sae("world/layers.3"), 100).record(latent))
    for each in messages[-1:] if short else messages:
        print(f"[{each.role}]\n{each.content}\n")


if __name__ == "__main__":
    main()
