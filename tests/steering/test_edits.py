"""Edits on tensors that a model would rarely give: what is not chosen keeps its very bits."""

from __future__ import annotations

from dataclasses import replace

import torch

from saesteer.steering import steer
from saesteer.steering.edits import AddEdit, OperationEdit, Place, RowTable
from saesteer.steering.where import Where
from tests.steering import tiny

AT = tiny.positions(tiny.llama(), torch.tensor([[1, 5, 6], [1, 7, 8]]))
PLACE = Place("layers.1", Where())


def test_a_zero_keeps_its_sign():
    x = torch.full((2, 3, 4), -0.0)
    edit = AddEdit(PLACE, RowTable(torch.tensor([[1.0] * 4, [0.0] * 4]), [True, False], shared=False))
    found = edit(x, AT)
    assert torch.equal(found[0, 1:], torch.ones(2, 4))
    assert found[0, 0].signbit().all() and found[1].signbit().all()  # the BOS, and the row that is off


def test_what_an_op_makes_of_rows_that_are_off_does_not_reach_them():
    x = torch.ones(2, 3, 4)
    strengths = RowTable(torch.tensor([[1.0], [0.0]]), [True, False], shared=False)
    found = OperationEdit(PLACE, strengths, lambda x, s: x / s - x / s.abs().clamp(max=0.0))(x, AT)
    assert not found[0, 1:].isfinite().any()
    assert torch.equal(found[0, :1], x[0, :1]) and torch.equal(found[1], x[1])


def test_x_itself_comes_back_where_nothing_is_on():
    x = torch.ones(2, 3, 4)
    off = RowTable(torch.zeros(2, 4), [False, False], shared=False)
    assert AddEdit(PLACE, off)(x, AT) is x
    calls = []
    nowhere = Place("layers.1", Where(token_ids=(99,)))
    strengths = RowTable(torch.ones(1, 1), [True], shared=True)
    assert OperationEdit(nowhere, strengths, lambda x, s: calls.append(1) or x)(x, AT) is x
    assert not calls


def test_x_is_never_written_into():
    x = torch.ones(2, 3, 4)
    AddEdit(PLACE, RowTable(torch.ones(1, 4), [True], shared=True))(x, AT)
    assert torch.equal(x, torch.ones(2, 3, 4))


def test_the_lines_are_looked_up_anew_for_other_rows():
    table = RowTable(torch.tensor([[1.0], [2.0], [3.0]]), [True, True, True], shared=False)
    for request in ([0, 1], [2, 0], [1, 1]):
        at = replace(AT, request=torch.tensor(request))
        found = table.rows(at, torch.float32)
        assert found.values[:, 0, 0].tolist() == [each + 1.0 for each in request]
        assert table.rows(at, torch.float32) is found  # and kept for the same ones
    assert table.rows(at, torch.bfloat16).values.dtype == torch.bfloat16


def test_gradients_through_lines_that_were_looked_up_in_inference_mode():
    lm, ids = tiny.llama(), torch.tensor([[1, 5, 6], [1, 7, 8]])
    x = lm.hf.get_input_embeddings()(ids).requires_grad_(True)
    with steer(lm, tiny.direction(op="project_out", value=1.0), strengths=[0.5, 1.0]):
        with torch.inference_mode():
            lm.hf(ids)
        lm.hf(inputs_embeds=x).logits.sum().backward()
    assert x.grad.abs().sum() > 0
