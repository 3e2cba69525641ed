"""Run as a process of its own: cache so many tokens, print the peak of anonymous memory and the start's.

    python -m tests.cache.memory MODEL OUT TOKENS RUN_TOKENS [LIMIT [D_SAE K]]

LIMIT: bytes of data that the system allows on top of the start's; 0: none.
"""

import json
import resource
import sys
import threading
import time
from pathlib import Path

import numpy as np
import torch

from saesteer.cache import cache_latents
from saesteer.model import load_model
from saesteer.saes import SAEConfig
from saesteer.saes.topk import TopKSAE

ROW, WIDTH = 64, 32


def status(name):
    """Bytes, of /proc/self/status."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(name + ":"))


class Peak:
    """The largest anonymous memory while it runs, sampled."""

    def __enter__(self):
        self.first = self.most = status("RssAnon")
        self.open = True
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()
        return self

    def watch(self):
        while self.open:
            self.most = max(self.most, status("RssAnon"))
            time.sleep(0.002)

    def __exit__(self, *_):
        self.open = False
        self.thread.join()


def sae(d_sae, k):
    draw = torch.Generator().manual_seed(0)
    encoder = torch.randn(WIDTH, d_sae, generator=draw)
    tensors = {"W_enc": encoder, "W_dec": encoder.T.clone()}
    tensors |= {"b_enc": torch.full((d_sae,), 20.0), "b_dec": torch.zeros(WIDTH)}
    return TopKSAE(SAEConfig("topk", WIDTH, d_sae, hook_name="layers.0", k=k), tensors)


def main(model, out, tokens, run_tokens, limit=0, d_sae=1024, k=64):
    torch.set_num_threads(1)
    lm, one = load_model(model), sae(d_sae, k)
    ids = np.random.default_rng(0).integers(4, 23, (tokens // ROW, ROW))
    options = {"batch_tokens": 512, "dtype": "auto"}
    cache_latents(f"{out}/first", lm, one, ids[:64], run_tokens=1024, **options)  # what is made once
    if limit:
        most = status("VmData") + limit
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    with Peak() as peak:
        found = cache_latents(f"{out}/all", lm, one, ids, run_tokens=run_tokens, **options)
    entries = len(found["layers.0"].tokens)
    size = sum(each.stat().st_size for each in Path(found.about["folder"]).rglob("*") if each.is_file())
    figures = {"first": peak.first, "most": peak.most, "tokens": len(found.tokens), "entries": entries}
    print(json.dumps(figures | {"disk": size}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:]))
