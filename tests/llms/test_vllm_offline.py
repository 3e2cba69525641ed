"""vLLM in process, against a stand-in with the part of its interface that is used: vLLM itself cannot be
installed where these tests run.
"""

import asyncio
import json
import sys
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, ClassVar

import pytest

from saesteer.errors import InputError, MissingExtra
from saesteer.judges import JudgeRequest, load_judge
from saesteer.judges.pairwise import PairwiseJudge
from saesteer.llms import BadReply, Refused, Reply, Request, TokenChoice, complete_all, user
from saesteer.llms.vllm_offline import VLLMClient
from saesteer.text import Concept


@dataclass
class Logprob:
    logprob: float
    rank: int
    decoded_token: str | None


@dataclass
class CompletionOutput:
    text: str
    token_ids: list[int]
    finish_reason: str | None = "stop"
    logprobs: list[dict[int, Logprob]] | None = None


@dataclass
class RequestOutput:
    outputs: list[CompletionOutput]
    prompt_token_ids: list[int] | None = field(default_factory=lambda: [1, 2, 3])


@dataclass
class StructuredOutputsParams:
    """Takes exactly one constraint, as vLLM's does."""

    json: str | dict[str, Any] | None = None
    json_object: bool | None = None

    def __post_init__(self) -> None:
        if (self.json is None) == (self.json_object is None):
            raise ValueError("You must use one kind of structured outputs constraint")


class SamplingParams:
    def __init__(self, **fields: Any) -> None:
        known = {"max_tokens", "temperature", "seed", "logprobs", "structured_outputs"}
        assert set(fields) <= known
        self.fields = fields


def told(*steps):
    return [{number: Logprob(-0.5, 1, word), 90: Logprob(-1.5, 2, "no")} for number, word in steps]


ANSWERS = {
    "fine": CompletionOutput("Yes.", [1, 2, 3], logprobs=told((1, "Yes"), (2, "."), (3, "</s>"))),
    "long": CompletionOutput("Yes", [1], "length", told((1, "Yes"))),
    "other": CompletionOutput("No.", [1, 2], logprobs=told((1, "Yes"), (2, "."))),
    "missing": CompletionOutput("Yes.", [1, 2]),
    "short": CompletionOutput("Yes.", [1, 2], logprobs=told((1, "Yes"))),
    "aborted": CompletionOutput("Y", [1], "abort"),
}


class LLM:
    made: ClassVar[list[dict[str, Any]]] = []
    calls: ClassVar[list[Any]] = []

    def __init__(self, **settings: Any) -> None:
        LLM.made.append(settings)

    def chat(self, messages, sampling_params=None, use_tqdm=True, *, chat_template_kwargs=None):
        LLM.calls.append(
            (messages, [each.fields for each in sampling_params], use_tqdm, chat_template_kwargs)
        )
        said = [each[-1]["content"] for each in messages]
        if "too long" in said:
            raise ValueError("The decoder prompt (length 9) is longer than the maximum model length of 8.")
        return [RequestOutput([ANSWERS[each]] if each in ANSWERS else []) for each in said]


@pytest.fixture(autouse=True)
def vllm(monkeypatch):
    module, parameters = ModuleType("vllm"), ModuleType("vllm.sampling_params")
    module.LLM, module.SamplingParams, module.__version__ = LLM, SamplingParams, "0.0-stand-in"
    parameters.StructuredOutputsParams = StructuredOutputsParams
    monkeypatch.setitem(sys.modules, "vllm", module)
    monkeypatch.setitem(sys.modules, "vllm.sampling_params", parameters)
    LLM.made.clear()
    LLM.calls.clear()


def ask(client, *texts, **fields):
    async def run():
        found = await complete_all(client, [Request(user(each, "Be brief."), **fields) for each in texts])
        await client.close()
        return found

    return asyncio.run(run())


def test_options_become_the_engines():
    options = {"memory_share": 0.5, "max_length": 4096, "gpus": 2, "dtype": "bfloat16", "batch": 32}
    client = VLLMClient("m", **options, revision="r", quantization="fp8", engine={"enforce_eager": True})
    assert LLM.made == []  # until it is asked
    ask(client, "fine", "long")
    assert LLM.made == [
        {
            "model": "m", "gpu_memory_utilization": 0.5, "tensor_parallel_size": 2, "dtype": "bfloat16",
            "max_num_seqs": 32, "enable_prefix_caching": True, "max_logprobs": 20, "trust_remote_code": False,
            "max_model_len": 4096, "quantization": "fp8", "revision": "r", "enforce_eager": True,
        }
    ]  # fmt: skip


def test_one_call_answers_all_that_wait():
    client = VLLMClient("m", template_options={"enable_thinking": False})
    fine, long = ask(client, "fine", "long", max_tokens=7, top_logprobs=2)
    choice = TokenChoice("Yes", -0.5, (("Yes", -0.5), ("no", -1.5)))
    assert fine == Reply("Yes.", "stop", fine.logprobs, fine.usage)
    assert fine.logprobs == (choice, TokenChoice(".", -0.5, ((".", -0.5), ("no", -1.5))))
    assert (long.ended, long.logprobs) == ("length", (choice,))
    assert (fine.usage.prompt_tokens, fine.usage.completion_tokens) == (3, 3)
    system = {"role": "system", "content": "Be brief."}
    sampled = {"max_tokens": 7, "temperature": 0.0, "logprobs": 2}
    assert LLM.calls == [
        (
            [[system, {"role": "user", "content": each}] for each in ("fine", "long")],
            [sampled, sampled],
            False,
            {"enable_thinking": False},
        )
    ]


def test_seeds_and_json():
    client = VLLMClient("m")
    ask(client, "fine", temperature=0.5, seed=3, json=True, max_tokens=4)
    ask(client, "fine", temperature=0.0, seed=3, max_tokens=4)
    [one, other] = [fields for _, [fields], _, _ in LLM.calls]
    assert one == {
        "max_tokens": 4, "temperature": 0.5, "seed": 3,
        "structured_outputs": StructuredOutputsParams(json_object=True),
    }  # fmt: skip
    assert other == {"max_tokens": 4, "temperature": 0.0}


def test_a_schema_is_the_engines_constraint_in_place_of_any_object():
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    ask(VLLMClient("m"), "fine", json=True, schema=json.dumps(schema))
    [(_, [fields], _, _)] = LLM.calls
    assert fields["structured_outputs"] == StructuredOutputsParams(json=schema)


def test_judges_send_their_form_to_the_engine():
    sea = Concept("sea", "Ships.", ("the sea", "a ship"), ("one and two", "a b"))
    request = JudgeRequest("A text.", "Once", sea)
    load_judge("llm", client=VLLMClient("m"), criteria=["coherence"]).judge([request])
    [(_, [fields], _, _)] = LLM.calls
    shape = fields["structured_outputs"].json
    assert shape["properties"] == {"coherence": {"type": "integer", "enum": list(range(1, 11))}}
    assert shape["required"] == ["coherence"] and shape["additionalProperties"] is False
    PairwiseJudge(VLLMClient("m"), "coherence").compare([(request, request)])
    asked = [fields["structured_outputs"].json for call in LLM.calls[1:] for fields in call[1]]
    assert asked and all(each["properties"]["answer"]["enum"] == ["A", "B", "tie"] for each in asked)


@pytest.mark.parametrize("text", ["other", "missing", "short"])
def test_logprobs_that_do_not_spell_the_text_are_left_out_and_counted(text):
    [reply] = ask(VLLMClient("m"), text, top_logprobs=2)
    assert (reply.logprobs, reply.usage.without_logprobs) == (None, 1)


def test_a_prompt_that_is_too_long_fails_alone():
    fine, error, long = ask(VLLMClient("m"), "fine", "too long", "long")
    assert (fine.text, long.text) == ("Yes.", "Yes")
    assert type(error) is Refused and "maximum model length" in str(error)


def test_answers_that_are_none():
    none, aborted = ask(VLLMClient("m"), "unknown", "aborted")
    assert type(none) is type(aborted) is BadReply
    assert "'abort'" in str(aborted)


def test_more_alternatives_than_the_engine_gives_are_refused():
    [error] = ask(VLLMClient("m", max_logprobs=5), "fine", top_logprobs=6)
    assert type(error) is Refused and "max_logprobs, 5" in str(error)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"model": ""}, "model is"),
        ({"memory_share": 0}, "memory_share is a number above 0, up to 1"),
        ({"memory_share": 1.5}, "memory_share is a number"),
        ({"gpus": 0}, "gpus is"),
        ({"max_length": "long"}, "max_length is"),
        ({"engine": {"trust_remote_code": True}}, "engine cannot hold trust_remote_code"),
        ({"engine": {"hf_overrides": print}}, "cannot be recorded"),
    ],
)
def test_options_are_checked_early(options, says):
    with pytest.raises(InputError, match=says):
        VLLMClient(**{"model": "m", **options})


def test_fingerprints_leave_out_what_changes_no_answer():
    same = VLLMClient("m").fingerprint()
    assert VLLMClient("m", memory_share=0.5, batch=2).fingerprint() == same
    assert len({same, VLLMClient("n").fingerprint(), VLLMClient("m", dtype="float16").fingerprint()}) == 3


def test_without_vllm_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(MissingExtra, match=r"saesteer\[vllm\]"):
        VLLMClient("m")
