"""Build the embedded world's weights: tokenizer, stories, language model, sparse autoencoders; then put them
into the package.

    python scripts/build_world.py --work build/world [--minutes 110] [--stories 240000]

Every stage is a folder or file under --work that is reused when it is there, so a killed build goes on where
it stood (the model from its last checkpoint); a folder of another grammar or configuration is refused. Seeds
are fixed; how many steps --minutes allows depends on the machine, so only `--minutes 0` is the same on every
one. Two cores need about two hours; a GPU serves the language model where there is one (not tried yet).
"""

import argparse
import json
import shutil
from dataclasses import asdict
from multiprocessing import Pool
from pathlib import Path

import numpy as np
import torch
import world_lm
import world_saes

from saesteer.runs import digest
from saesteer.world.patterns import patterns
from saesteer.world.story import tell
from saesteer.world.tokens import SPACE, build_tokenizer, encode_sentences, token_ids, vocabulary
from saesteer.world.words import lexicon

PACKAGE = Path(__file__).parents[1] / "src/saesteer/world/weights"
HELD_OUT_SEED, TRAIN_SEED, CHUNK = 10_000_000, 20_000_000, 2000


def _chunk(start: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Stories start .. start + CHUNK: token ids, lengths and log-probabilities."""
    ids, lengths, logps = [], [], []
    for seed in range(start, start + CHUNK):
        story = tell(seed)
        tokens, _ = encode_sentences(story.sentences)
        ids.append(tokens.astype(np.uint16))
        lengths.append(len(tokens))
        logps.append(story.logp)
    return np.concatenate(ids), np.array(lengths), np.array(logps)


def stories(path: Path, first_seed: int, count: int) -> dict[str, np.ndarray]:
    """Stories as flat token ids with offsets and exact log-probabilities; made once."""
    if not path.exists():
        with Pool(2) as pool:
            parts = pool.map(_chunk, range(first_seed, first_seed + count, CHUNK))
        lengths = np.concatenate([p[1] for p in parts])
        partial = path.with_suffix(".tmp.npz")
        np.savez(
            partial,
            ids=np.concatenate([p[0] for p in parts]),
            offsets=np.concatenate([[0], np.cumsum(lengths)]),
            logp=np.concatenate([p[2] for p in parts]),
        )
        partial.replace(path)
    return dict(np.load(path))


def check_stamp(work: Path, count: int) -> None:
    """Refuse a work folder whose stages were made from something else."""
    made_from = [vocabulary(), [p.source for p in patterns()], asdict(world_lm.LMConfig()), count, TRAIN_SEED]
    stamp, path = digest(made_from), work / "stamp.txt"
    if path.exists() and path.read_text() != stamp:
        raise SystemExit(
            f"{work} was built from another grammar, configuration or --stories; take another --work"
        )
    path.write_text(stamp)


def report_lm(model: torch.nn.Module, held: dict[str, np.ndarray], pad: int) -> dict[str, float]:
    """Cross-entropy on held-out stories beside the true entropy of the same stories (nats per token)."""
    nll = world_lm.cross_entropy_of(model, held["ids"], held["offsets"], pad)
    tokens = np.diff(held["offsets"]) - 1
    gap = (nll + held["logp"]) / tokens.mean()
    return {
        "cross_entropy": float(nll.sum() / tokens.sum()),
        "entropy": float(-held["logp"].sum() / tokens.sum()),
        "gap": float((nll + held["logp"]).sum() / tokens.sum()),
        "gap_standard_error": float(gap.std() / np.sqrt(len(gap))),
        "stories": len(tokens),
        "tokens": int(tokens.sum()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("build/world"))
    parser.add_argument("--stories", type=int, default=240_000)
    parser.add_argument("--minutes", type=float, default=110, help="time for the language model; 0: no limit")
    parser.add_argument("--stage", choices=["lm", "saes", "install", "all"], default="all")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    check_stamp(args.work, args.stories)
    table = token_ids()
    pad, bos, eos = (table[t] for t in ("<pad>", "<bos>", "<eos>"))
    folder = args.work / "lm"
    tokenizer = build_tokenizer()
    held = stories(args.work / "held_out.npz", HELD_OUT_SEED, 2000)
    if not (folder / "config.json").exists():
        train = stories(args.work / "train.npz", TRAIN_SEED, args.stories)
        print(
            f"{len(vocabulary())} tokens in the vocabulary, {len(train['ids'])} tokens of stories", flush=True
        )
        names = lexicon().names
        kinds = (names["female"] + names["male"], names["town"])
        copied = [[table[SPACE + word] for word in kind] for kind in kinds]
        tokens = {"vocab": len(vocabulary()), "bos": bos, "eos": eos, "pad": pad}
        world_lm.train_in_processes(args.work, tokens, copied, args.minutes)
        model = world_lm.build(world_lm.LMConfig(), **tokens)
        model.load_state_dict(
            torch.load(args.work / "lm.ckpt", weights_only=True, map_location="cpu")["model"]
        )
        partial = args.work / "lm.tmp"
        model.to(torch.float16).save_pretrained(partial)
        tokenizer.save_pretrained(partial)
        partial.replace(folder)
    model = world_lm.LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32)
    (args.work / "lm.json").write_text(json.dumps(report_lm(model, held, pad), indent=1))
    print((args.work / "lm.json").read_text(), flush=True)
    if args.stage in ("saes", "all"):
        world_saes.train_all(folder, args.work)
    if args.stage in ("install", "all"):
        for name in ("lm", *world_saes.CONFIGS):
            shutil.copytree(args.work / name, PACKAGE / name, dirs_exist_ok=True)


if __name__ == "__main__":
    main()
