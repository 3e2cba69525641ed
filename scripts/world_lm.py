"""Train the embedded world's language model: a small Llama, on stories drawn from the grammar. Called by
build_world.py.

Resumable (a checkpoint every few minutes, replaced atomically) and seeded. Batches hold stories of about the
same length, right-padded, so that no story ever sees another one.
"""

import math
import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.distributed
import torch.multiprocessing
from torch.nn.functional import cross_entropy
from transformers import LlamaConfig, LlamaForCausalLM


@dataclass(frozen=True)
class Round:
    """One pass of the learning rate: up, level, down to nothing."""

    share: float  # of the minutes
    rate: float  # of the full learning rates
    cooldown: float  # the share of the steps in which the rate falls


@dataclass(frozen=True)
class LMConfig:
    hidden: int = 160
    layers: int = 5
    heads: int = 5
    mlp: int = 448
    ranks: int = 2  # processes of one thread each: a quarter faster than two threads
    batch_tokens: int = 4096  # of all processes together
    muon_lr: float = 0.02
    adam_lr: float = 4e-3
    weight_decay: float = 0.1
    warmup: int = 100
    copy_weight: float = 4.0  # of which name it is, given that it is one: rare, so else learned late
    rounds: tuple[Round, ...] = (Round(0.7, 1.0, 0.7), Round(0.3, 0.3, 1.0))  # each on stories not seen
    seed: int = 0
    save_every_s: float = 300.0


def build(config: LMConfig, vocab: int, bos: int, eos: int, pad: int) -> LlamaForCausalLM:
    torch.manual_seed(config.seed)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=vocab,
            hidden_size=config.hidden,
            num_hidden_layers=config.layers,
            num_attention_heads=config.heads,
            num_key_value_heads=config.heads,
            intermediate_size=config.mlp,
            max_position_embeddings=512,
            tie_word_embeddings=True,
            bos_token_id=bos,
            eos_token_id=eos,
            pad_token_id=pad,
            initializer_range=0.02,
        )
    )


def batches(offsets: np.ndarray, batch_tokens: int, seed: int) -> list[np.ndarray]:
    """Story indices, batch by batch: stories of like length together, the order of batches shuffled."""
    rng = np.random.default_rng(seed)
    lengths = np.diff(offsets)
    order = np.lexsort((rng.random(len(lengths)), lengths))
    groups, start = [], 0
    while start < len(order):
        end = start + 1
        while end < len(order) and (end + 1 - start) * lengths[order[end]] <= batch_tokens:
            end += 1
        groups.append(order[start:end])
        start = end
    rng.shuffle(groups)
    return groups


def gather(
    ids: np.ndarray, offsets: np.ndarray, group: np.ndarray, pad: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Right-padded inputs and targets (-100 where there is nothing to predict)."""
    width = int((offsets[group + 1] - offsets[group]).max())
    rows = np.full((len(group), width), pad, dtype=np.int64)
    target = np.full((len(group), width), -100, dtype=np.int64)
    for i, doc in enumerate(group):
        story = ids[offsets[doc] : offsets[doc + 1]]
        rows[i, : len(story)] = story
        target[i, : len(story) - 1] = story[1:]
    return torch.from_numpy(rows), torch.from_numpy(target)


class Muon(torch.optim.Optimizer):
    """Momentum orthogonalised by Newton-Schulz (Jordan et al. 2024), in fp32: torch's own works in bf16,
    which these cores emulate (a step of this model took six times as long).
    """

    def __init__(self, params: list[torch.nn.Parameter], lr: float, momentum: float, weight_decay: float):
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for shape in sorted({tuple(p.shape) for p in group["params"]}):
                alike = [p for p in group["params"] if tuple(p.shape) == shape]
                updates = []
                for p in alike:
                    buffer = self.state[p].setdefault("momentum", torch.zeros_like(p))
                    buffer.lerp_(p.grad, 1 - group["momentum"])
                    updates.append(p.grad.lerp(buffer, group["momentum"]))
                scale = group["lr"] * max(1.0, shape[0] / shape[1]) ** 0.5
                for p, update in zip(alike, orthogonal(torch.stack(updates)), strict=True):
                    p.mul_(1 - group["lr"] * group["weight_decay"]).add_(update, alpha=-scale)


def orthogonal(g: torch.Tensor) -> torch.Tensor:
    """The nearest orthogonal matrices, roughly: five quintic Newton-Schulz steps."""
    tall = g.shape[-2] > g.shape[-1]
    x = g.mT if tall else g
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(5):
        gram = x @ x.mT
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return x.mT if tall else x


def optimizers(model: LlamaForCausalLM, config: LMConfig) -> list[torch.optim.Optimizer]:
    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and "embed" not in n]
    rest = [p for n, p in model.named_parameters() if p.ndim != 2 or "embed" in n]
    muon = Muon(matrices, lr=config.muon_lr, momentum=0.95, weight_decay=config.weight_decay)
    adam = torch.optim.AdamW(rest, lr=config.adam_lr, betas=(0.9, 0.98), weight_decay=0.0)
    return [muon, adam]


def schedule(step: int, total: int, warmup: int, now: Round) -> float:
    """Warm-up, plateau, linear cool-down to zero."""
    down = (total - step) / max(1, now.cooldown * total)
    return now.rate * max(0.0, min(1.0, (step + 1) / warmup, down))


def losses_of(
    model: LlamaForCausalLM, rows: torch.Tensor, target: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Cross-entropies, logits and targets; the unembedding is applied only where something is to be
    predicted.
    """
    hidden = model.model(rows, use_cache=False).last_hidden_state
    keep = target >= 0
    logits = model.lm_head(hidden[keep])
    return cross_entropy(logits, target[keep], reduction="none"), logits, target[keep]


def which(logits: torch.Tensor, said: torch.Tensor, kinds: list[torch.Tensor]) -> torch.Tensor:
    """The cross-entropies of which name (which town) was said, given that one was.

    A part of the whole cross-entropy, so that it may weigh more without a change of what is best.
    """
    parts = []
    for ids in kinds:
        at, index = (said[:, None] == ids).nonzero(as_tuple=True)
        parts.append(cross_entropy(logits[at][:, ids], index, reduction="none"))
    return torch.cat(parts)


def train(
    model: LlamaForCausalLM,
    ids: np.ndarray,
    offsets: np.ndarray,
    pad: int,
    copied: list[list[int]],
    config: LMConfig,
    folder: Path,
    minutes: float,
) -> None:
    """At most one pass over the stories in every process, in rounds; resumes from `folder`. `minutes` (0: no
    limit) shortens each round to what fits. `copied`: the tokens that are names, and those that are towns.
    """
    rank, ranks = torch.distributed.get_rank(), torch.distributed.get_world_size()
    kinds = [torch.tensor(ids, device=model.device) for ids in copied]
    groups = batches(offsets, config.batch_tokens // ranks, config.seed)[rank::ranks]
    groups = groups[: _least(len(groups))]
    opts = optimizers(model, config)
    bases = [group["lr"] for opt in opts for group in opt.param_groups]
    checkpoint, at = folder / "lm.ckpt", {"round": 0, "first": 0, "step": 0, "spent": 0.0}
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True, map_location=model.device)
        model.load_state_dict(saved["model"])
        for opt, state in zip(opts, saved["opts"], strict=True):
            opt.load_state_dict(state)
        at = {key: saved[key] for key in at}
        print(f"resumed at {at}", flush=True)
    for index in range(at["round"], len(config.rounds)):
        now, first, step, spent = config.rounds[index], at["first"], at["step"], at["spent"]
        share = now.share / sum(each.share for each in config.rounds[index:])
        total = len(groups) - first if minutes else int(share * (len(groups) - first))
        begun, last_save, seen, running, copies = time.time(), time.time(), 0, [], []
        while step < total:
            elapsed = spent + time.time() - begun
            if minutes and step >= 200 and step % 100 == 0:
                fits = max(step + 1, int(step * now.share * minutes * 60 / max(elapsed, 1)))
                total = _least(min(len(groups) - first, fits))
            rate = schedule(step, total, config.warmup, now)
            for group, base in zip((g for o in opts for g in o.param_groups), bases, strict=True):
                group["lr"] = base * rate
            rows, target = (each.to(model.device) for each in gather(ids, offsets, groups[first + step], pad))
            losses, logits, said = losses_of(model, rows, target)
            copying = which(logits, said, kinds)
            ((losses.sum() + (config.copy_weight - 1) * copying.sum()) / len(losses)).backward()
            _average_gradients(model)
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            for opt in opts:
                opt.step()
                opt.zero_grad(set_to_none=True)
            seen += int((target >= 0).sum())
            running.append(losses.mean().item())
            copies.append(copying.mean().item())
            step += 1
            if not math.isfinite(running[-1]):
                raise SystemExit(f"the loss became {running[-1]} at step {step}")
            if step % 25 == 0 and rank == 0:
                speed = ranks * seen / (time.time() - begun)
                print(
                    f"round {index + 1} step {step}/{total} loss {np.mean(running[-25:]):.4f} "
                    f"copied {np.mean(copies[-25:]):.3f} {speed:.0f} tok/s {elapsed:.0f} s",
                    flush=True,
                )
            if rank == 0 and (time.time() - last_save > config.save_every_s or step >= total):
                last_save = time.time()
                where = {"round": index, "first": first, "step": step, "spent": elapsed}
                _save(model, opts, where, checkpoint)
        at = {"round": index + 1, "first": first + step, "step": 0, "spent": 0.0}
        if rank == 0:
            _save(model, opts, at, checkpoint)


def _save(
    model: LlamaForCausalLM, opts: list[torch.optim.Optimizer], where: dict[str, float], checkpoint: Path
) -> None:
    state = {"model": model.state_dict(), "opts": [opt.state_dict() for opt in opts]}
    torch.save(state | where, checkpoint.with_suffix(".tmp"))
    os.replace(checkpoint.with_suffix(".tmp"), checkpoint)


def _least(value: int) -> int:
    """The least value of all processes, so that they stop together."""
    shared = torch.tensor(value)
    torch.distributed.all_reduce(shared, torch.distributed.ReduceOp.MIN)
    return int(shared)


def _average_gradients(model: LlamaForCausalLM) -> None:
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    flat = torch.cat([g.flatten() for g in gradients])
    torch.distributed.all_reduce(flat)
    flat /= torch.distributed.get_world_size()
    for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(part.view_as(gradient))


def train_in_processes(work: Path, tokens: dict[str, int], copied: list[list[int]], minutes: float) -> None:
    """Train on the stories in `work`: on one GPU, else in processes of one thread each. `tokens`: ids of bos,
    eos, pad and the size of the vocabulary.
    """
    meeting = work / "meeting"
    meeting.unlink(missing_ok=True)
    ranks = 1 if torch.cuda.is_available() else LMConfig().ranks
    torch.multiprocessing.spawn(_train_rank, (ranks, work, tokens, copied, minutes), nprocs=ranks)
    meeting.unlink(missing_ok=True)


def _train_rank(
    rank: int, ranks: int, work: Path, tokens: dict[str, int], copied: list[list[int]], minutes: float
) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{work.resolve()}/meeting", rank=rank, world_size=ranks
    )
    config, data = LMConfig(), np.load(work / "train.npz")
    model = build(config, **tokens).to("cuda" if torch.cuda.is_available() else "cpu")
    train(model, data["ids"], data["offsets"], tokens["pad"], copied, config, work, minutes)
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


@torch.inference_mode()
def cross_entropy_of(model: LlamaForCausalLM, ids: np.ndarray, offsets: np.ndarray, pad: int) -> np.ndarray:
    """Summed negative log-likelihood of each story (nats, BOS given, EOS counted)."""
    result = np.zeros(len(offsets) - 1)
    for group in batches(offsets, 16384, 0):
        rows, target = gather(ids, offsets, group, pad)
        logits = model(rows, use_cache=False).logits
        nll = cross_entropy(logits.transpose(1, 2), target, reduction="none")
        result[group] = nll.sum(1).double().numpy()
    return result
