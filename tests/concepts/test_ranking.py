import math
from dataclasses import FrozenInstanceError, replace

import pytest
from rich.console import Console

from saesteer.concepts import Evidence, LatentScore, Ranking
from saesteer.errors import CorruptFile, InputError
from saesteer.latents import Context, TokenEffect

CONTEXT = Context(7, 0, 2, 1.5, (" the", " old", " sea"), (0.0, 0.25, 1.5), 2)
RANKING = Ranking(
    rows=(
        LatentScore(7, 1.0, 0.5, math.inf, 1.0, 0.0, 1e-5, 1e-3),
        LatentScore(3, 0.75, 0.25, 0.8, 0.5, 0.25, 0.1, 1.0),
    ),
    evidence=(Evidence(7, (CONTEXT,), (TokenEffect(9, " wave", 2.0),), (TokenEffect(4, " ring", -1.0),)),),
    notes=("only 3 positive and 3 negative texts",),
    summary={"level": "text", "positive": 3, "negative": 3, "held_out_auroc": None},
    provenance={"concept": "sea", "hookpoint": "layers.0"},
)


def shown(ranking, width=160):
    console = Console(width=width, force_terminal=False)
    with console.capture() as captured:
        console.print(ranking.table())
    return captured.get()


def test_saved_and_loaded_it_is_the_same(tmp_path):
    path = tmp_path / "sea.parquet"
    RANKING.save(path)
    assert Ranking.load(path) == RANKING
    assert [each.name for each in tmp_path.iterdir()] == ["sea.parquet"]
    empty = replace(RANKING, evidence=(), notes=())
    empty.save(path)
    assert Ranking.load(path) == empty


def test_a_torn_or_other_file_is_corrupt(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as parquet

    path = tmp_path / "sea.parquet"
    RANKING.save(path)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(CorruptFile, match="is no whole ranking"):
        Ranking.load(path)
    parquet.write_table(pa.table({"latent": [1]}), path)
    with pytest.raises(CorruptFile, match="is no whole ranking"):
        Ranking.load(path)
    with pytest.raises(InputError, match="there is no file"):
        Ranking.load(tmp_path / "none.parquet")


def test_it_is_frozen_and_its_best_is_the_first():
    assert RANKING.best.latent == 7
    with pytest.raises(FrozenInstanceError):
        RANKING.rows = ()
    with pytest.raises(InputError, match="at least one latent"):
        Ranking(())


def test_pandas():
    frame = RANKING.to_pandas()
    assert frame.latent.tolist() == [7, 3]
    assert frame.auroc.tolist() == [1.0, 0.75]


def test_the_table_says_what_it_rests_on():
    text = shown(RANKING)
    for part in (
        "sea: 3 positive and 3 negative texts",
        "1.000",
        "inf",
        "100%",
        "0.001",
        "the old [sea]",
        "wave",
    ):
        assert part in text
    assert "only 3 positive and 3 negative texts" in text
    assert "contexts" not in shown(replace(RANKING, evidence=()))


def test_texts_cannot_speak_to_the_terminal_or_the_page():
    evil = replace(CONTEXT, tokens=(" [red]x[/red]", "\x1b[2J", " <script>alert(1)</script>\n\u202e"))
    ranking = replace(
        RANKING, evidence=(Evidence(7, (evil,), (TokenEffect(1, "\x1b[31m[/]", 1.0),)),), notes=("<b>",)
    )
    text = shown(ranking)
    assert "\x1b" not in text and "\u202e" not in text
    assert "[red]x[/red]" in text
    page = ranking._repr_html_()
    assert "<script>" not in page and "<b>" not in page
    assert "&lt;script&gt;" in page
