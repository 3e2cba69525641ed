"""The table of lm_eval's pull request 2641 (`sae_steered_beta`): a row for a latent of a sae_lens SAE.

    latent_idx,steering_coefficient,sae_release,sae_id,description[,hook_action,clamp_value,refuse_id,hookpoint]

add: x + coef W_dec[i]. clamp: latent i set to coef where it is > 0, the error kept. clamp_cond: where it is
> clamp_value. clamp_refusal: where it is > clamp_value, latent refuse_id set to coef. print, debug: nothing
is done; kept as provenance `inspected`. It acts at every position of the SAE's own hookpoint, which the
column `hookpoint`, an addition of ours, spares looking up. Neighbouring clamps of one SAE are one
intervention, since the SAE reads once for all of them. The gate of clamp_cond and clamp_refusal never opens
at BOS or special tokens (see `when`), where theirs does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from saesteer.errors import BadSpec, UnknownName
from saesteer.saes.loaders import catalogue
from saesteer.steering.fields import bad
from saesteer.steering.formats.csv_rows import Row
from saesteer.steering.formats.latent_table import (
    Reading,
    added_latents,
    at_row,
    descriptions,
    source_of,
)
from saesteer.steering.formats.limits import (
    EVERYWHERE,
    active,
    check_everywhere,
    check_headless,
    unsupported,
)
from saesteer.steering.formats.sae_origin import hookpoint_of
from saesteer.steering.intervention import Intervention
from saesteer.steering.spec import SteeringSpec
from saesteer.steering.when import When

KEY: Final = "latent_idx"
"""The column that tells this dialect."""
COLUMNS: Final = (
    KEY, "steering_coefficient", "sae_release", "sae_id", "description", "hook_action", "clamp_value",
    "refuse_id", "hookpoint",
)  # fmt: skip
_WHAT: Final = "a CSV of sae_steered_beta"
_ACTIONS: Final = ("add", "clamp", "clamp_cond", "clamp_refusal", "print", "debug")
_INSPECTS: Final = ("print", "debug")


def spec_of(rows: Sequence[Row]) -> SteeringSpec:
    """The interventions in the order of the rows; rows that only look make one that is off, if alone."""
    reading = Reading("csv_beta")
    for row in rows:
        with at_row(row):
            _read(row, reading)
    if not reading.interventions:
        with at_row(rows[0]):
            source = _source(rows[0])
            reading.add(_hookpoint(rows[0], source), source, rows[0].latent(KEY), 0.0)
    return reading.spec()


def looked_at(spec: SteeringSpec) -> list[tuple[str, str, int]]:
    """Source, hookpoint and latent of each row that only looks."""
    found = []
    for number, cells in enumerate(spec.provenance.get("inspected", [])):
        row = Row(f"provenance.inspected[{number}]", cells)
        with at_row(row):
            source = _source(row)
            found.append((source, _hookpoint(row, source), row.latent(KEY)))
    return found


def _read(row: Row, reading: Reading) -> None:
    action = row.text("hook_action", "add")
    if action not in _ACTIONS:
        raise bad("hook_action", str(UnknownName.of("action", action, _ACTIONS)))
    if action in _INSPECTS:
        reading.inspected.append({key: each for key, each in row.cells.items() if each})
        return
    latent, amount, source = row.latent(KEY), row.number("steering_coefficient"), _source(row)
    hookpoint = _hookpoint(row, source)
    reading.describe(source, latent, row.cells.get("description", ""))
    if action == "add":
        reading.add(hookpoint, source, latent, amount)
        return
    sae = reading.sae(source)
    if action == "clamp":
        _clamp(reading, hookpoint, sae, latent, amount)
        return
    gate = When(sae, hookpoint, latent, row.number("clamp_value"))
    target = latent if action == "clamp_cond" else row.latent("refuse_id")
    each = Intervention(
        hookpoint, "set_latents", sae=sae, latents=((target, amount),), where=EVERYWHERE, when=gate
    )
    reading.interventions.append(each)


def _clamp(reading: Reading, hookpoint: str, sae: str, latent: int, amount: float) -> None:
    each = Intervention(
        hookpoint, "set_latents", sae=sae, latents=((latent, amount),), only_active=True, where=EVERYWHERE
    )
    before = reading.interventions[-1] if reading.interventions else None
    same = before is not None and before.op == each.op and replace(before, latents=each.latents) == each
    if before is None or not same or latent in dict(before.latents or ()):
        reading.interventions.append(each)
    else:
        reading.interventions[-1] = replace(each, latents=(before.latents or ()) + (each.latents or ()))


def _source(row: Row) -> str:
    release, sae_id = row.text("sae_release"), row.text("sae_id", "")
    return f"{release}/{sae_id}" if sae_id else release


def _hookpoint(row: Row, source: str) -> str:
    return row.text("hookpoint", "") or hookpoint_of(source)


def rows_of(spec: SteeringSpec) -> list[dict[str, Any]]:
    """A row for each latent; what the spec was read from and only looked comes last."""
    said, found = descriptions(spec), []
    for path, each in active(spec.interventions, _WHAT):
        check_everywhere(each, path, _WHAT)
        check_headless(each, path, _WHAT, "edits whole activations and has no column for heads")
        source, cells = _cells(spec, each, path)
        about = _named(source, each.hookpoint, path)
        for row in cells:
            text = said.get((source, row[KEY]), "")
            found.append(about | {"description": text} | row)
    return found + [dict(row) for row in spec.provenance.get("inspected", [])]


def _cells(spec: SteeringSpec, each: Intervention, path: str) -> tuple[str, list[dict[str, Any]]]:
    """The SAE's source, and of each row what only this op says."""
    if each.op == "add":
        if each.when is not None:
            raise bad(f"{path}.when", f"{_WHAT} has no gate for add; save the spec as .yaml")
        source, amounts = added_latents(spec, each, path, _WHAT)
        return source, [{KEY: i, "steering_coefficient": v, "hook_action": "add"} for i, v in amounts]
    if each.op != "set_latents":
        raise unsupported(each, path, _WHAT, "add and set_latents")
    if not each.keep_error:
        raise bad(f"{path}.keep_error", f"{_WHAT} keeps the error; save the spec as .yaml")
    numbers = each.numbers()
    if numbers is None:
        raise bad(f"{path}.unit", "latent_max is not resolved; resolve_strength measures it on a model")
    raw = [(latent, value * each.strength.value) for latent, value in numbers]
    return source_of(spec, str(each.sae), path), _clamps(each, raw, path)


def _clamps(each: Intervention, raw: Sequence[tuple[int, float]], path: str) -> list[dict[str, Any]]:
    gate = each.when
    if gate is None and each.only_active:
        return [{KEY: i, "steering_coefficient": v, "hook_action": "clamp"} for i, v in raw]
    if gate is None:
        raise bad(
            f"{path}.only_active",
            f"{_WHAT} sets latents only where they are active or behind a gate; save the spec as .yaml",
        )
    same = (gate.sae, gate.hookpoint, gate.scope) == (each.sae, each.hookpoint, "token")
    same = same and gate.latent is not None and gate.below is None
    if not same or len(raw) != 1 or each.only_active:
        problem = f"{_WHAT} sets one latent where one of the same SAE is above a number"
        raise bad(f"{path}.when", f"{problem}; save the spec as .yaml")
    target, value = raw[0]
    row: dict[str, Any] = {KEY: gate.latent, "steering_coefficient": value, "clamp_value": gate.above}
    if target == gate.latent:
        return [row | {"hook_action": "clamp_cond"}]
    return [row | {"hook_action": "clamp_refusal", "refuse_id": target}]


def _named(source: str, hookpoint: str, path: str) -> dict[str, str]:
    """How the dialect names an SAE; its hookpoint only where that cannot be looked up."""
    release, sae_id = catalogue.split(source) or (source, "")
    try:
        own = hookpoint_of(source)
    except BadSpec:
        own = None
    if own is not None and own != hookpoint:
        problem = f"{_WHAT} steers where the SAE was trained ({own}), got {hookpoint}"
        raise bad(f"{path}.hookpoint", f"{problem}; save the spec as .yaml")
    return {"sae_release": release, "sae_id": sae_id} | ({} if own else {"hookpoint": hookpoint})
