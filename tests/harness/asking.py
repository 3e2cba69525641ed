"""Requests as lm_eval makes them of a task."""

import random

from lm_eval.api.instance import Instance

from tests.steering import tiny

PAIRS = [
    ("the cat sat on", " the mat"),
    ("the", " dog ran and then swam in the sea"),
    ("a wet old dog", " ran"),
    ("a wet old dog", " swam"),
    ("", "the sea"),
    ("the cat and the dog ran on and on , then the old cat", " sat on the rug ."),
    ("the cat sat on", " the rug"),
]
# The last is several windows long. It does not repeat: of pieces with the same tokens and other continuations
# lm_eval's own loop scores the wrong ones.
TEXTS = ["the cat sat on the mat .", "a dog", " ".join(random.Random(0).choices(tiny.WORDS, k=150))]
PROMPTS = ["the cat", "then the old wet dog ran and", "a"]


def scoring(pairs=PAIRS):
    return [
        Instance("loglikelihood", {}, pair, number % 2, ("t", number // 2, 1))
        for number, pair in enumerate(pairs)
    ]


def rolling(texts=TEXTS):
    return [
        Instance("loglikelihood_rolling", {}, (text,), 0, ("r", number, 1))
        for number, text in enumerate(texts)
    ]


def writing(prompts=PROMPTS, **options):
    how = {"until": ["."], "max_gen_toks": 8} | options
    return [
        Instance("generate_until", {}, (text, how), 0, ("g", number, 1))
        for number, text in enumerate(prompts)
    ]


def everything(model):
    """The answers to all three kinds."""
    return (
        model.loglikelihood(scoring()),
        model.loglikelihood_rolling(rolling()),
        model.generate_until(writing()),
    )
