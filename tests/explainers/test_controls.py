"""No explanation, and that of another latent."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from saesteer.examples import Explanation, Failure, LatentId
from saesteer.explainers import EXPLAINERS, Explainer
from saesteer.explainers.no_op import NoOp
from saesteer.explainers.random_other import RandomOther
from tests.explainers.made import ID, WEDDING, record


def explanation(latent, text, sae="layers.3"):
    return Explanation(LatentId(sae, latent), "default", text)


def drawn(pool, seed=0, of=WEDDING):
    return asyncio.run(RandomOther(pool, seed).explain(of))


def test_no_op_says_nothing_and_does_not_fail():
    found = asyncio.run(NoOp().explain(WEDDING))
    assert (found.latent, found.text, found.failure) == (ID, None, None)
    assert EXPLAINERS.get("no_op") is NoOp and isinstance(NoOp(), Explainer)
    assert NoOp().fingerprint() == NoOp().fingerprint()


def test_never_its_own_nor_the_same_words():
    pool = [
        explanation(7, "brides"),
        explanation(1, " Brides "),
        explanation(2, "dogs"),
        explanation(3, None),
    ]
    for seed in range(20):
        found = drawn(pool, seed)
        assert (found.text, found.details) == ("dogs", {"of": ["layers.3", 2], "seed": seed})


def test_the_same_sae_is_preferred():
    pool = [explanation(1, "dogs"), *(explanation(i, f"other {i}", "layers.4") for i in range(30))]
    assert drawn(pool).text == "dogs"
    assert drawn(pool[1:]).text.startswith("other")


def test_equal_seeds_draw_alike_in_any_order_and_others_differ():
    pool = [explanation(i, f"text {i}") for i in range(50)]
    assert drawn(pool, 3).text == drawn(pool[::-1], 3).text
    assert len({drawn(pool, seed).text for seed in range(20)}) > 10
    records = [record(["x|1"], latent=LatentId("layers.3", i)) for i in range(20)]
    assert len({drawn(pool, 3, each).text for each in records}) > 10


def test_without_another_it_is_missing():
    for pool in (
        [],
        [explanation(7, "brides")],
        [Explanation(LatentId("layers.3", 1), "x", None, Failure("a", "b"))],
    ):
        assert drawn(pool).failure.kind == "missing"


def test_the_fingerprint_knows_the_pool_and_the_seed():
    pools = [[explanation(1, "dogs")], [explanation(1, "cats")], [explanation(2, "dogs")]]
    found = {RandomOther(pool, seed).fingerprint() for pool in pools for seed in (0, 1)}
    assert len(found) == 6 and RandomOther(iter(pools[0])).fingerprint() in found
    assert EXPLAINERS.get("random") is RandomOther and isinstance(RandomOther([]), Explainer)


@given(st.lists(st.tuples(st.integers(0, 9), st.text(max_size=3)), max_size=12), st.integers())
def test_whatever_the_pool_it_is_another(pairs, seed):
    found = drawn([explanation(*each) for each in pairs], seed)
    if found.text is None:
        assert found.failure.kind == "missing"
    else:
        assert found.details["of"][1] != 7 and (7, found.text) not in pairs
