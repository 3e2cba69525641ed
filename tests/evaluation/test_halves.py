"""The split of prompts."""

from hypothesis import given
from hypothesis import strategies as st

from saesteer.evaluation import split

PROMPTS = st.lists(st.text(min_size=1), min_size=2, max_size=20, unique=True)


@given(PROMPTS, st.randoms())
def test_the_split_is_even_and_blind_to_order(prompts, random):
    found = split(prompts)
    assert set(found) == set(prompts)
    assert list(found.values()).count("selection") == len(prompts) // 2
    shuffled = random.sample(prompts, len(prompts))
    assert split(shuffled + shuffled) == found


def test_another_seed_splits_otherwise():
    prompts = [str(i) for i in range(40)]
    assert split(prompts, 0) != split(prompts, 1)


def test_one_prompt_is_for_selection():
    assert split(["a"]) == {"a": "selection"}
