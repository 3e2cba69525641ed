"""Text classifiers made here: untrained ones for the arithmetic, a trained one for what it can tell."""

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    GPT2Config,
    GPT2ForSequenceClassification,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from saesteer.errors import InputError, NotAModel, UnknownName
from saesteer.judges import JudgeRequest, load_judge
from saesteer.statistics import auroc
from saesteer.text import Concept
from saesteer.world.reading import read_sentence
from saesteer.world.surface import split_sentences, split_words
from saesteer.world.texts import stories_without, story_about

SEA = Concept("sea", "Ships and the sea.", ("the sea and ship", "wave and salt"), ("one and two", "a b"))
WORDS = ("one", "two", "three", "four", "sea", "ship", "sail")


def tokenizer_of(words):
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *words]
    core = Tokenizer(models.WordLevel({word: i for i, word in enumerate(names)}, unk_token="[UNK]"))
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    core.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    return PreTrainedTokenizerFast(tokenizer_object=core, **special)


def classifier(words=WORDS, labels=("calm", "stormy"), seed=0, **more):
    torch.manual_seed(seed)
    options = {"max_position_embeddings": 32, "initializer_range": 0.5} | more
    config = BertConfig(
        vocab_size=len(words) + 4, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=32, pad_token_id=0, id2label=dict(enumerate(labels)),
        label2id={name: i for i, name in enumerate(labels)}, **options,
    )  # fmt: skip
    return BertForSequenceClassification(config).eval(), tokenizer_of(words)


def judged(judge, *texts):
    return judge.judge([JudgeRequest(text, "Once", SEA) for text in texts])


def plain(made, text):
    hf, tokenizer = made
    with torch.no_grad():
        return hf(**tokenizer(text, return_tensors="pt")).logits[0].double()


TEXTS = ("one two", "sea", "ship sail sea three four one", "two two two two", "sail")


def test_behaviour_is_the_probability_of_the_label_whatever_the_batches():
    made = classifier()
    for batch in (1, 2, 32):
        found = judged(load_judge("classifier", model=made, label="stormy", batch=batch), *TEXTS)
        for each, text in zip(found, TEXTS, strict=True):
            assert each.behaviour == pytest.approx(float(plain(made, text).softmax(0)[1]), abs=1e-6)
            assert each.coherence is None
    other = judged(load_judge("classifier", model=made, label="Calm"), *TEXTS)
    assert [a.behaviour + b.behaviour for a, b in zip(found, other, strict=True)] == pytest.approx([1.0] * 5)


@pytest.mark.parametrize("pad", [None, "[PAD]"], ids=["nobody pads", "the tokenizer pads"])
def test_a_decoder_without_a_token_to_pad_with_reads_texts_one_by_one(pad):
    names = ["[PAD]", "[UNK]", *WORDS]
    core = Tokenizer(models.WordLevel({word: i for i, word in enumerate(names)}, unk_token="[UNK]"))
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token=pad, model_input_names=["input_ids", "attention_mask"]
    )
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(names), n_embd=16, n_layer=1, n_head=2, n_positions=32, initializer_range=0.5,
        bos_token_id=None, eos_token_id=None,
    )  # fmt: skip
    made = GPT2ForSequenceClassification(config).eval(), tokenizer
    *found, blank = judged(load_judge("classifier", model=made), *TEXTS, "")
    for each, text in zip(found, TEXTS, strict=True):
        assert each.behaviour == pytest.approx(float(plain(made, text).softmax(0)[1]), abs=1e-6)
    assert blank.behaviour is None and "computed no number" in blank.error


def test_labels_that_do_not_exclude_each_other_and_a_single_one_are_sigmoids():
    made = classifier(labels=("a", "b", "c"), problem_type="multi_label_classification")
    (found,) = judged(load_judge("classifier", model=made, label=2), "sea ship")
    assert found.behaviour == pytest.approx(float(plain(made, "sea ship").sigmoid()[2]), abs=1e-6)
    made = classifier(labels=("toxic",))
    (found,) = judged(load_judge("classifier", model=made), "sea ship")
    assert found.behaviour == pytest.approx(float(plain(made, "sea ship").sigmoid()[0]), abs=1e-6)


@pytest.mark.parametrize(("pool", "of"), [("mean", lambda v: sum(v) / 3), ("max", max)])
def test_a_long_text_is_read_in_pieces(pool, of):
    made = classifier()
    judge = load_judge("classifier", model=made, label="stormy", pool=pool, max_length=4)
    pieces = ("sea two", "one sea", "two sea")
    (found,) = judged(judge, " ".join(pieces))
    each = [float(plain(made, piece).softmax(0)[1]) for piece in pieces]
    assert found.detail["pieces"] == 3 and found.behaviour == pytest.approx(of(each), abs=0.02)
    whole = float(plain(made, " ".join(pieces)).softmax(0)[1])
    assert abs(of(each) - whole) > 0.02  # else the test could not fail


def test_a_text_longer_than_the_model_is_no_error():
    (found,) = judged(load_judge("classifier", model=classifier()), "sea " * 100)
    assert found.detail["pieces"] == 4 and 0 <= found.behaviour <= 1


def test_an_empty_text_has_a_figure():
    (found,) = judged(load_judge("classifier", model=classifier()), "")
    assert found.error is None


def test_labels_that_are_not_there():
    three = classifier(labels=("a", "b", "c"))
    with pytest.raises(InputError, match="which label"):
        load_judge("classifier", model=three)
    with pytest.raises(UnknownName, match="label 'd'"):
        load_judge("classifier", model=three, label="d")
    with pytest.raises(UnknownName, match="pool"):
        load_judge("classifier", model=three, label="a", pool="median")


def test_a_folder_is_loaded_and_has_the_fingerprint_of_its_weights(tmp_path):
    for name, seed in (("a", 0), ("b", 1)):
        for each in classifier(seed=seed):
            each.save_pretrained(tmp_path / name)
    one, other = (load_judge(f"classifier[label=stormy]:{tmp_path / name}") for name in "ab")
    direct = load_judge("classifier", model=classifier(), label="stormy")
    assert judged(one, *TEXTS) == judged(direct, *TEXTS)
    assert one.fingerprint() == direct.fingerprint() != other.fingerprint()
    assert one.fingerprint() != load_judge("classifier", model=classifier(), label="calm").fingerprint()


def test_weights_as_pickles_are_not_read(tmp_path):
    hf, tokenizer = classifier()
    hf.config.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    torch.save(hf.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(NotAModel, match="safetensors"):
        load_judge(f"classifier:{tmp_path}")


def test_a_language_model_is_no_classifier(tmp_path):
    config = LlamaConfig(
        vocab_size=11,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        pad_token_id=0,
    )
    LlamaForCausalLM(config).save_pretrained(tmp_path)
    tokenizer_of(WORDS).save_pretrained(tmp_path)
    with pytest.raises(NotAModel, match="lacks 1 weights of a classifier"):
        load_judge(f"classifier:{tmp_path}")


def test_code_of_a_folder_is_not_run(tmp_path):
    for each in classifier():
        each.save_pretrained(tmp_path)
    config = (
        (tmp_path / "config.json")
        .read_text()
        .replace(
            '"model_type": "bert"',
            '"model_type": "evil", "auto_map": {"AutoConfig": "evil.C", '
            '"AutoModelForSequenceClassification": "evil.M"}',
        )
    )
    (tmp_path / "config.json").write_text(config)
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    with pytest.raises(NotAModel):
        load_judge(f"classifier:{tmp_path}")
    assert not (tmp_path / "ran").exists()


def test_a_classifier_that_was_trained_on_the_world_knows_its_weddings():
    """Sentences of the world: those with a wedding's words, and those of stories without a wedding."""
    told = [story_about("wedding", 91_000 + n).text for n in range(120)]
    yes = [each for text in told for each in split_sentences(text)[0] if "wedding" in read(each)]
    no = [each for text in stories_without("wedding", 90) for each in split_sentences(text)[0]]
    texts, count = (*no[:700], *yes[:700]), 700
    words = sorted({word for text in texts for word in split_words(text)})
    hf, tokenizer = classifier(
        words,
        ("other", "wedding"),
        max_position_embeddings=96,
        initializer_range=0.1,
        hidden_dropout_prob=0.0,
    )
    labels = torch.tensor([0] * count + [1] * (len(texts) - count))
    given = tokenizer(texts, padding=True, truncation=True, max_length=24, return_tensors="pt")
    optimizer = torch.optim.Adam(hf.parameters(), 1e-2)
    hf.train()
    for _ in range(16):
        optimizer.zero_grad()
        hf(**given, labels=labels).loss.backward()
        optimizer.step()
    judge = load_judge("classifier", model=(hf.eval(), tokenizer), label="wedding")
    found = [each.behaviour for each in judged(judge, *no[700:760], *yes[700:760])]
    truth = np.array([False] * 60 + [True] * 60)
    assert float(auroc(np.array(found), truth)) > 0.9


def read(sentence):
    """The concepts that a sentence expresses."""
    found = read_sentence(sentence)
    return found.concepts if found else ()
