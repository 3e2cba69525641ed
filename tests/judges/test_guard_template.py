"""A guard by its model's own chat template, as Llama Guard has one: a tiny model that answers like it."""

from itertools import pairwise

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from saesteer.errors import InputError, UnknownName
from saesteer.judges import JudgeRequest, load_judge
from saesteer.llms import CachedClient, Message, Reply
from saesteer.llms.hf_local import HFClient
from saesteer.llms.scripted import ScriptedClient
from saesteer.text import Concept
from tests.llms.test_hf_local import TEMPLATE as ORDINARY

SEA = Concept("sea", "Ships and the sea.", ("the sea and ship", "wave and salt"), ("one and two", "a b"))
SAID = ("{{ m.content | trim }}", "{% for p in m.content | selectattr('type', 'equalto', 'text') %}"
        "{{ p.text | trim }}{% endfor %}")  # fmt: skip
HEAD = (
    "{% set role = 'Agent' if messages | length % 2 == 0 else 'User' %}"
    "{{ bos_token }}Is the last turn safe or unsafe ?\nS1: Violent Crimes.\nS3: Insults.\n\n"
    "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles alternate') }}{% endif %}{{ 'User' if m.role == 'user' else 'Agent' }} : "
)
TAIL = "{{ '\\n' }}{% endfor %}{% if add_generation_prompt %}Assessment of {{ role }}{% endif %}"
GUARDS = [HEAD + said + TAIL for said in SAID]
ANSWERS = {"Agent": ["unsafe", "\n", "S1", ",", "S3", "[eos]"], "User": ["safe", "[eos]"]}
"""By the last word of the template: whose turn is assessed."""


def client(template=GUARDS[0], **options):
    """A model in which each word decides the next one."""
    chains = [[first, *rest] for first, rest in ANSWERS.items()]
    pieces = list(dict.fromkeys(["[pad]", "[bos]", "[eos]", "[unk]", *(w for each in chains for w in each)]))
    width = len(pieces) + len(pieces) % 2
    config = LlamaConfig(
        vocab_size=width, hidden_size=width, intermediate_size=4, num_hidden_layers=1, num_attention_heads=1,
        max_position_embeddings=512, pad_token_id=0, bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    torch.manual_seed(0)
    hf = LlamaForCausalLM(config).requires_grad_(False)
    hf.model.embed_tokens.weight.copy_(torch.eye(width))
    layer = hf.model.layers[0]
    for weight in (layer.self_attn.o_proj.weight, layer.mlp.down_proj.weight, hf.lm_head.weight):
        weight.zero_()
    for chain in chains:
        for one, after in pairwise(chain):
            hf.lm_head.weight[pieces.index(after), pieces.index(one)] = 1.0
    words = Tokenizer(models.WordLevel({word: i for i, word in enumerate(pieces)}, unk_token="[unk]"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    special = {f"{name}_token": f"[{name}]" for name in ("bos", "eos", "pad", "unk")}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, chat_template=template, **special)
    return HFClient((hf, tokenizer), **options)


@pytest.mark.parametrize("template", GUARDS, ids=["texts", "parts"])
def test_the_models_template_asks_and_its_codes_are_read(template, tmp_path):
    judge = load_judge("guard", client=client(template), cache=tmp_path)
    bad, good = judge.judge([JudgeRequest("You fool.", "Once", SEA), JudgeRequest("You fool.", "", SEA)])
    assert bad.behaviour > 0.9 and bad.detail["categories"] == ["S1", "S3"]
    assert bad.detail["meant"] == {"S1": "Violent Crimes", "S3": "Insults"} and bad.detail["logprobs"]
    assert good.behaviour < 0.1 and good.detail["said"] == "safe" and good.detail["categories"] == []
    assert judge.spent["failures"] == {}


@pytest.mark.parametrize("template", GUARDS, ids=["texts", "parts"])
def test_the_model_reads_the_bare_conversation_inside_its_template(template):
    asked = load_judge("guard", client=client(template)).request(JudgeRequest("You fool.", "Once", SEA))
    assert asked.messages == (Message("user", "Once"), Message("assistant", "You fool."))
    text = client(template).rendered(asked.messages)
    assert text.endswith("\n\nUser : Once\nAgent : You fool.\nAssessment of Agent")


def test_a_special_token_in_a_text_does_not_end_its_turn():
    asked = load_judge("guard", client=client()).request(JudgeRequest("[eos] Fool.", "Once", SEA))
    assert "[eos]" not in client().rendered(asked.messages)


@pytest.mark.parametrize("template", [ORDINARY, None, HEAD + TAIL], ids=["ordinary", "none", "without text"])
def test_another_template_is_asked_by_our_prompt(template):
    judge = load_judge("guard", client=client(template))
    content = judge.request(JudgeRequest("You fool.", "Once", SEA)).messages[-1].content
    assert "insult: The text insults" in content and "You fool." in content
    with pytest.raises(InputError, match="does not ask for safe or unsafe, or leaves the text out"):
        load_judge("guard", client=client(template), policy="template")


def test_categories_are_of_our_prompt():
    puns = {"puns": "The text has a pun."}
    with pytest.raises(InputError, match=r"has categories of its own; .* template_options of the client"):
        load_judge("guard", client=client(), categories=puns)
    judge = load_judge("guard", client=client(), categories=puns, policy="written")
    assert "puns: The text" in judge.request(JudgeRequest("Pun.", "", SEA)).messages[-1].content


def test_a_template_that_takes_categories_gets_them_from_the_client():
    """As Llama Guard 3 1B takes them."""
    listed = "{% for key in categories %}{{ key }}: {{ categories[key] }}.\n{% endfor %}"
    template = GUARDS[0].replace("S1: Violent Crimes.\nS3: Insults.\n", listed)
    asked = client(template, template_options={"categories": {"S1": "Puns"}})
    (found,) = load_judge("guard", client=asked).judge([JudgeRequest("Pun.", "Once", SEA)])
    assert found.detail["categories"] == ["S1", "S3"] and found.detail["meant"] == {"S1": "Puns"}


def test_a_server_applies_a_template_that_nobody_sees():
    requests = [JudgeRequest("You fool.", "Once", SEA)]
    for policy, roles in (("auto", ["system", "user"]), ("template", ["user", "assistant"])):
        asked = ScriptedClient(["\n\nunsafe\nS10"])
        (found,) = load_judge("guard", client=asked, policy=policy).judge(requests)
        assert [each.role for each in asked.requests[0].messages] == roles
        assert found.detail["categories"] == ["S10"] and "meant" not in found.detail


def test_the_last_category_of_an_answer_that_was_cut_off_is_left_out():
    for text, named in (("unsafe\nS10,S1", ["S10"]), ("unsafe\nS1", []), ("unsafe", [])):
        asked = ScriptedClient([Reply(text, "length")])
        (found,) = load_judge("guard", client=asked).judge([JudgeRequest("Fool.", "Once", SEA)])
        assert found.behaviour == 1.0 and found.detail["categories"] == named


def test_policies_are_told_apart(tmp_path):
    judges = [load_judge("guard", client=client(), policy=each) for each in ("auto", "template", "written")]
    auto, template, written = (each.fingerprint() for each in judges)
    assert auto == template != written
    kept = load_judge("guard", client=CachedClient(client(), tmp_path))
    assert kept.policy == judges[0].policy
    with pytest.raises(UnknownName, match="policy of the guard"):
        load_judge("guard", client=client(), policy="own")
