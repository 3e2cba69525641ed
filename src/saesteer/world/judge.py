"""The oracle: a judge that reads the world's grammar exactly. Offline, free, and never wrong about the
world's own language.
"""

from collections.abc import Sequence
from functools import cache
from importlib.resources import files

from saesteer.errors import InputError
from saesteer.judges import Judgement, JudgeRequest
from saesteer.runs import digest, sha256_bytes
from saesteer.text.concept import Concept
from saesteer.world.reading import judge_text
from saesteer.world.surface import split_sentences
from saesteer.world.words import CONCEPTS

REVISION = 1  # raised when the same text of the same lexicon is judged otherwise


class OracleJudge:
    """Behaviour: share of sentences that are well formed and express the concept. Coherence: share of
    well-formed sentences.

    A sentence that the prompt left open is judged whole. A tail that was cut off counts only where it could
    not have become a sentence.
    """

    name = "oracle"

    def fingerprint(self) -> str:
        """A hash of the world's lexicon and of the revision of this judge."""
        return digest({"revision": REVISION, "lexicon": _lexicon_files()})

    def check(self, concept: Concept) -> None:
        """InputError for a concept of another world."""
        labels_of(concept)

    def judge(self, requests: Sequence[JudgeRequest]) -> list[Judgement]:
        return [self._one(request) for request in requests]

    def _one(self, request: JudgeRequest) -> Judgement:
        labels = labels_of(request.concept)
        verdict = judge_text(split_sentences(request.prompt)[1] + request.text)
        if not verdict.sentences:
            return Judgement(0.0, 0.0, 0.0, {"sentences": 0})
        return Judgement(
            behaviour=verdict.behaviour(labels),
            coherence=verdict.coherence,
            lenient=verdict.lenient(labels),
            detail={
                "sentences": len(verdict.sentences),
                "well_formed": sum(v.well_formed for v in verdict.sentences),
                "expressing": sum(bool(set(v.concepts) & set(labels)) for v in verdict.sentences),
                "grade": verdict.grade(),
            },
        )


@cache
def _lexicon_files() -> dict[str, str]:
    """File -> SHA-256."""
    folder = files("saesteer.world") / "lexicon"
    return {each.name: sha256_bytes(each.read_bytes()) for each in folder.iterdir() if each.is_file()}


def labels_of(concept: Concept) -> tuple[str, ...]:
    """The world's labels that count as this concept."""
    labels = concept.labels or (concept.name.rsplit("/", 1)[-1],)
    unknown = [label for label in labels if label not in CONCEPTS]
    if unknown:
        raise InputError(
            f"the oracle judges the concepts of the embedded world, got {unknown[0]!r}; "
            f"give the concept a label among {', '.join(CONCEPTS)}, or take another judge"
        )
    return labels
