"""Isolation: does one latent carry a concept, or many a part of it? A decision tree on all latents tells.

A gini tree over a document's mean latents is the evaluation of SCAR (arXiv 2411.07122); the feature
monosemanticity score is that of arXiv 2506.19382:

    FMS@p = capacity * (local@p + global) / 2
    capacity = accuracy of the one best latent
    local@p = 2 (capacity - accuracy of the best one without the p best)
    global = 1 - mean over n of (accuracy of more latents - capacity)

Ours, where the paper leaves it open: accuracies are of held-out documents; the best latent is the root of the
tree, and the p best are the roots found one after the other, each removed before the next; "more latents" are
the tree cut at depths 2 to n + 1; local and global are held to 0 to 1. The 2 in local takes chance to be one
half, so give as many positive as negative documents (`chance` says how it was). Knows matrices and labels.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Int
from scipy import sparse

from saesteer.concepts.truth import truth_of
from saesteer.errors import InputError
from saesteer.latents import capture_stream
from saesteer.model import LanguageModel
from saesteer.saes import SAE
from saesteer.text import Document, split
from saesteer.text.splits import together


@dataclass(frozen=True)
class Isolation:
    """A gini tree on mean latents, grown until its leaves are pure."""

    depth: int
    """Decisions on the longest way from root to leaf; 0: no latent says anything."""
    nodes: int
    """Decisions and leaves."""
    latents: int
    """How many different latents it asks."""
    root: int | None
    """The latent that it asks first; of equally good ones the seed's."""
    root_threshold: float | None
    train_accuracy: float
    accuracy: float
    """Held out."""
    root_train_accuracy: float
    root_accuracy: float
    """Of one decision on the root alone, held out: the capacity."""
    chance: float
    """Share of the more frequent class among the held-out documents."""
    documents: tuple[int, int]
    """Training, held out."""
    local: float
    broad: float
    """The paper's global."""
    fms: float
    removed: int
    """p of FMS@p."""
    levels: int
    """n: depths over which `broad` is a mean."""

    def record(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def isolation(
    latents: sparse.csr_array,
    positive: Bool[np.ndarray, " documents"],
    held_out: Bool[np.ndarray, " documents"],
    *,
    removed: int = 1,
    levels: int = 5,
    seed: int = 0,
) -> Isolation:
    """`latents`: [documents, d_sae], sparse or dense. The same for the same seed."""
    matrix = sparse.csc_array(latents).astype(np.float32)
    train, test = np.flatnonzero(~held_out), np.flatnonzero(held_out)
    for name, part in (("training", train), ("held-out", test)):
        if len(np.unique(positive[part])) < 2:
            raise InputError(
                f"the {len(part)} {name} documents are of one class; give positive and negative ones"
            )
    if removed < 1 or levels < 1:
        raise InputError(f"removed and levels are 1 or more, got {removed} and {levels}")
    field = _Field(matrix, positive, train, test, seed)
    tree = field.fit()
    asked = tree.tree_.feature[tree.tree_.feature >= 0]
    root = int(asked[0]) if len(asked) else None
    capacity = field.alone(root)
    local = 2 * (capacity[1] - field.without(removed))
    more = [field.accuracy(field.fit(depth=each + 1), test) - capacity[1] for each in range(1, levels + 1)]
    local, broad = (float(np.clip(each, 0, 1)) for each in (local, 1 - float(np.mean(more))))
    return Isolation(
        depth=int(tree.get_depth()),
        nodes=int(tree.tree_.node_count),
        latents=len(np.unique(asked)),
        root=root,
        root_threshold=None if root is None else float(tree.tree_.threshold[0]),
        train_accuracy=field.accuracy(tree, train),
        accuracy=field.accuracy(tree, test),
        root_train_accuracy=capacity[0],
        root_accuracy=capacity[1],
        chance=float(max(positive[test].mean(), 1 - positive[test].mean())),
        documents=(len(train), len(test)),
        local=local,
        broad=broad,
        fms=capacity[1] * (local + broad) / 2,
        removed=removed,
        levels=levels,
    )


def isolate(
    lm: LanguageModel,
    sae: SAE,
    documents: Iterable[Document],
    at: str | None = None,
    *,
    labels: Collection[str] = (),
    share: float = 0.3,
    removed: int = 1,
    levels: int = 5,
    seed: int = 0,
    context: int | None = None,
    batch_tokens: int = 4096,
) -> Isolation:
    """The same of labelled documents, read through an SAE; a `share` is held out, no text on both sides.

    `labels`: those that count as positive, where they are no numbers; documents without a label are left out.
    """
    known = [each for each in documents if truth_of(each, labels) is not None]
    if not known:
        raise InputError("none of the documents is labelled; give positive and negative ones")
    parts = split(known, {"train": 1 - share, "held out": share}, seed, together, stratified=True)
    ordered = [each for part in parts.values() for each in part]
    positive = np.array([bool(truth_of(each, labels)) for each in ordered])
    held_out = np.arange(len(ordered)) >= len(parts["train"])
    matrix = mean_latents(lm, sae, ordered, at, context=context, batch_tokens=batch_tokens)
    return isolation(matrix, positive, held_out, removed=removed, levels=levels, seed=seed)


def mean_latents(
    lm: LanguageModel,
    sae: SAE,
    documents: Iterable[Document | str],
    at: str | None = None,
    *,
    context: int | None = None,
    batch_tokens: int = 4096,
) -> sparse.csr_array:
    """[documents, d_sae]: the mean of every latent over a document's tokens, BOS and special ones aside."""
    found, done = [], 0
    for part in capture_stream(lm, documents, sae, at, context=context, batch_tokens=batch_tokens):
        found.append(part.pool("mean")[done:])
        done = part.n_documents
    return sparse.csr_array(sparse.vstack(found))


@dataclass(frozen=True, eq=False)
class _Field:
    """The documents that trees are grown on and tried on."""

    matrix: sparse.csc_array
    positive: Bool[np.ndarray, " documents"]
    train: Int[np.ndarray, " train"]
    test: Int[np.ndarray, " test"]
    seed: int

    def fit(self, depth: int | None = None) -> Any:
        from sklearn.tree import DecisionTreeClassifier

        tree = DecisionTreeClassifier(criterion="gini", max_depth=depth, random_state=self.seed)
        return tree.fit(_of(self.matrix, self.train), self.positive[self.train])

    def accuracy(self, tree: Any, which: Int[np.ndarray, " some"]) -> float:
        return float((tree.predict(_of(self.matrix, which)) == self.positive[which]).mean())

    def alone(self, latent: int | None) -> tuple[float, float]:
        """Accuracy of one decision on one latent, in training and held out; without one the larger class."""
        if latent is None:
            larger = self.positive[self.train].mean() >= 0.5
            hits = [float((self.positive[each] == larger).mean()) for each in (self.train, self.test)]
            return hits[0], hits[1]
        one = _Field(self.matrix[:, [latent]], self.positive, self.train, self.test, self.seed)
        tree = one.fit(depth=1)
        return one.accuracy(tree, self.train), one.accuracy(tree, self.test)

    def without(self, removed: int) -> float:
        """Held-out accuracy of the best latent that is left when the best ones are gone, one by one."""
        left = np.arange(self.matrix.shape[1])
        best: int | None = None
        for _ in range(removed + 1):
            rest = _Field(self.matrix[:, left], self.positive, self.train, self.test, self.seed)
            place = int(rest.fit(depth=1).tree_.feature[0]) if len(left) else -1
            if place < 0:
                return self.alone(None)[1]
            best, left = int(left[place]), np.delete(left, place)
        return self.alone(best)[1]


def _of(matrix: sparse.csc_array, rows: Int[np.ndarray, " some"]) -> sparse.csc_matrix:
    """Rows with 32-bit indices, which is what scikit-learn's trees read."""
    part = sparse.csc_matrix(matrix[rows])
    part.indices, part.indptr = part.indices.astype(np.int32), part.indptr.astype(np.int32)
    return part
