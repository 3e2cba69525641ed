"""A tiny random model with the spec that steers it, and a judge whose answers can be known beforehand."""

from collections.abc import Callable, Sequence

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from saesteer.evaluation import Row, split
from saesteer.evaluation.halves import prompt_id
from saesteer.judges import Judgement, JudgeRequest
from saesteer.model import LanguageModel
from saesteer.steering import Intervention, SteeringSpec, Strength, TensorRef
from saesteer.text import Concept

NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
SEA = ("sea", "ship", "sail", "wave", "salt")
WORDS = (*NUMBERS, "bell", *SEA)
PROMPTS = ("one two", "three four", "five six", "seven eight")
CONCEPT = Concept("sea", "The sea.", ("sea and ship", "wave and salt"), ("one and two", "three and four"))


class WordJudge:
    """Behaviour: share of words from `words`; coherence: share of words that do not repeat the one before."""

    def __init__(self, words: Sequence[str] = SEA) -> None:
        self.words = set(words)
        self.calls: list[list[JudgeRequest]] = []

    def fingerprint(self) -> str:
        return " ".join(sorted(self.words))

    def judge(self, requests: Sequence[JudgeRequest]) -> list[Judgement]:
        self.calls.append(list(requests))
        return [self.one(request) for request in requests]

    def one(self, request: JudgeRequest) -> Judgement:
        said = request.text.split()
        if not said:
            return Judgement(0.0, 0.0, 0.0, {"sentences": 0})
        fresh = sum(a != b for a, b in zip(said, ["", *said], strict=False))
        share = sum(word in self.words for word in said) / len(said)
        return Judgement(share, fresh / len(said), share, {"sentences": 1, "note": "ü"})


@pytest.fixture(scope="session")
def lm() -> LanguageModel:
    names = ["<pad>", "<bos>", "<eos>", "<unk>", *WORDS]
    core = Tokenizer(models.WordLevel({word: i for i, word in enumerate(names)}, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token="<pad>", bos_token="<bos>", eos_token="<eos>", unk_token="<unk>"
    )
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(names), hidden_size=16, intermediate_size=32,
        num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, max_position_embeddings=64, initializer_range=0.3, tie_word_embeddings=True,
        bos_token_id=1, eos_token_id=2, pad_token_id=0,
    )  # fmt: skip
    return LanguageModel(LlamaForCausalLM(config), tokenizer)


@pytest.fixture(scope="session")
def spec(lm: LanguageModel) -> SteeringSpec:
    """Towards the embeddings of the words that WordJudge counts."""
    rows = lm.hf.get_input_embeddings().weight.detach()
    vector = rows[15:].mean(0) - rows[4:15].mean(0)
    add = Intervention(op="add", hookpoint="layers.1", tensor="v", strength=Strength(1.0))
    return SteeringSpec((add,), {"v": TensorRef.of(vector)})


@pytest.fixture
def make_rows() -> Callable[..., list[Row]]:
    """Rows with given judgements: `{prompt: [(behaviour, coherence), ...]}`."""

    def make(
        judgements: dict[str, list[tuple[float | None, float | None]]],
        strength: float = 0.0,
        **fields: object,
    ) -> list[Row]:
        halves = split(tuple(judgements))
        plain = {
            "concept": "sea", "method": "diffmean", "variant": "", "strength": strength, "prefix": "{prompt}",
            "text": "the sea was calm", "lenient": 0.5, "sentences": 2, "well_formed": 2, "expressing": 1,
            "nll": 1.0, "tokens": 4, "detail": "{}",
        }  # fmt: skip
        return [
            Row(**{**plain, "prompt_id": prompt_id(prompt), "sample": number, "half": halves[prompt],
                   "prompt": prompt, "behaviour": behaviour, "coherence": coherence,
                   "error": "no answer" if behaviour is None else None, **fields})  # type: ignore[arg-type]
            for prompt, pairs in judgements.items()
            for number, (behaviour, coherence) in enumerate(pairs)
        ]  # fmt: skip

    return make
