"""`saesteer steer`: a concept to a steering spec, by any registered method."""

from __future__ import annotations

import re
from inspect import cleandoc, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from saesteer.cli import options
from saesteer.cli.inputs import settings_of
from saesteer.cli.method_options import build, chosen, methods_page
from saesteer.cli.words import visible
from saesteer.errors import InputError, UnknownName

if TYPE_CHECKING:
    from saesteer.model import LanguageModel
    from saesteer.saes import SAE
    from saesteer.steering import SteeringSpec
    from saesteer.text import Concept

_ENDINGS = {".yaml", ".yml", ".json"}
Positions = str | tuple[int, int]


def steer(
    concept: Annotated[str, typer.Argument(help="A concept: world/wedding, or a .yaml or .json file.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="The spec to write, .yaml or .json.", show_default=False)
    ],
    method: Annotated[str, typer.Option(help="One of those above.")] = "diffmean",
    model: options.Model = options.MODEL,
    at: Annotated[
        str | None,
        typer.Option("--at", help=f"The hookpoint; default: {options.HOOKPOINT}, or the SAE's own."),
    ] = None,
    sae: Annotated[
        str | None,
        typer.Option("--sae", help=f"Where a method needs one. {options.SOURCE} Default: {options.SAE}."),
    ] = None,
    latent: Annotated[
        list[str] | None,
        typer.Option("--latent", "-l", help="This latent; repeatable, with a weight as 77=-0.5."),
    ] = None,
    choose: Annotated[
        str | None, typer.Option(help="How latents are chosen; see saesteer find --by. Default: contrast.")
    ] = None,
    top: Annotated[int | None, typer.Option(min=1, help="So many of the best latents; default: 1.")] = None,
    op: Annotated[
        str | None, typer.Option(help="add (decoder rows; default), add_latents or set_latents (clamp).")
    ] = None,
    judge: Annotated[str | None, typer.Option(help="For corrsteer; default: oracle, of the world.")] = None,
    effects: Annotated[
        str | None, typer.Option(help="What effects fit made; or a published name out of the local cache.")
    ] = None,
    scores: Annotated[Path | None, typer.Option(help="Scores of latents for a topic.")] = None,
    mode: Annotated[str | None, typer.Option(help="What topic scores do to the latents.")] = None,
    layers: Annotated[
        list[str] | None, typer.Option(help="Hookpoints, for a method that takes several; repeatable.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of whatever a method draws.")] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="NAME=VALUE: any other option of the method (docs/methods.md); repeatable."
        ),
    ] = None,
    strength: Annotated[
        float | None,
        typer.Option(callback=options.finite, help="How much; default: the method's own. 0 is off."),
    ] = None,
    unit: Annotated[
        str | None,
        typer.Option(
            help="residual_norm (mean length of the activations there), raw, latent_max, kl or nats."
        ),
    ] = None,
    positions: Annotated[
        str | None,
        typer.Option(
            help="Where, for any method: all, prompt, generated, last, first, or 0:6 (half-open); default: "
            "the method's own. A direction is trained at all places or in the window, and then moved."
        ),
    ] = None,
    skip: Annotated[
        str | None,
        typer.Option(help='What is never steered: bos,special (default of most methods); "" for nothing.'),
    ] = None,
    device: options.Device = None,
    dtype: options.Dtype = "float32",
    json: options.Json = False,
) -> None:
    """Turn a concept into a steering spec.

    Example: saesteer steer world/wedding --method diffmean --at layers.3 --strength 0.4 --out wedding.yaml

    Example: saesteer steer world/sea --method sae_decoder --choose lift --out sea.yaml

    Example: saesteer steer world/sea --method sae_decoder --latent 123 --latent 77=-0.5 --out sea.yaml

    Example: saesteer steer world/sea --method pca --set reading=last --out sea.yaml

    Example: saesteer steer world/sea --method pca --positions 0:6 --skip "" --out sea.yaml
    """
    from saesteer.cli.inputs import open_model, open_sae
    from saesteer.cli.terminal import print_json, print_table, progress
    from saesteer.steering import steer as applied
    from saesteer.text import load_concept

    _check_file(out)
    if unit is not None and strength is None:
        raise InputError("--unit is the unit of --strength; give both")
    if latent and (choose is not None or top is not None):
        other = "--choose" if choose is not None else "--top"
        raise InputError(f"--latent names the latents that {other} would choose; give one of them")
    place, left_out = _place(positions, skip)
    meant, settings = load_concept(concept), settings_of(setting or ())
    given: dict[str, Any] = {"at": at, "sae": sae, "latent": latent or None, "choose": choose, "top": top}
    given |= {"op": op, "judge": judge, "effects": effects, "scores": scores, "mode": mode, "seed": seed}
    given |= {"layers": layers or None}
    with progress(3) as bar:
        bar.step("loading the methods")
        made, settings = chosen(method, given, settings)
        _check_unit(unit)
        bar.step(f"loading {model}")
        lm = open_model(model, device, dtype)
        found = open_sae(sae or options.SAE, device) if "sae" in signature(made).parameters else None
        bar.step(f"{method}: {meant.name}")
        trained_at = place if place == "all" or isinstance(place, tuple) else None
        where = {"positions": trained_at, "skip": left_out}
        spec = build(method, made, lm, meant, where | given, settings, found)
        spec = spec.placed(place, left_out)
        if strength is not None:
            spec = strengthened(lm, spec, meant, found, strength, unit)
        with applied(lm, spec, saes={} if found is None else dict.fromkeys(spec.saes, found)):
            pass  # what cannot be applied is not written
    saved = spec.save(out)
    if json:
        print_json({"out": out, "spec": saved.to_dict()})
        return
    print_table(*(f"{out}: {_line(each)}" for each in saved.interventions))
    print_table(f'Next: saesteer generate --model {model} --spec {out} --prompt "..."')


steer.__doc__ = f"{cleandoc(steer.__doc__ or '')}\n\n\b\n{methods_page()}"


def strengthened(
    lm: LanguageModel,
    spec: SteeringSpec,
    concept: Concept,
    sae: SAE | None,
    strength: float,
    unit: str | None,
) -> SteeringSpec:
    """The spec at this strength; a unit that the method did not measure is measured on its texts."""
    from saesteer.steering import resolve_strength
    from saesteer.steering.strength import CALIBRATED

    changed = spec.with_strength(strength, unit)
    saes = {} if sae is None else dict.fromkeys(spec.saes, sae)
    if unit in CALIBRATED:
        from saesteer.calibration import resolve_calibrated

        return resolve_calibrated(lm, changed, concept.negative, saes)
    if all(each.strength.factor is not None for each in changed.interventions):
        return changed
    return resolve_strength(lm, changed, (*concept.positive, *concept.negative), saes)


def _place(positions: str | None, skip: str | None) -> tuple[Positions | None, tuple[str, ...] | None]:
    """Where the spec is to act and what it leaves out, checked before anything is loaded."""
    from saesteer.steering import Where

    window = re.fullmatch(r"(\d+):(\d+)", positions or "")
    place: Positions | None = (int(window[1]), int(window[2])) if window else positions
    left_out = None if skip is None else tuple(each.strip() for each in skip.split(",") if each.strip())
    try:
        Where().moved(place, left_out)
    except InputError as error:
        raise InputError(f"--{error}") from error
    return place, left_out


def _check_file(out: Path) -> None:
    if out.suffix.lower() not in _ENDINGS:
        raise InputError(f"a spec is a .yaml or .json file, got {out.name!r}; name it so")
    options.check_output(out)


def _check_unit(unit: str | None) -> None:
    from saesteer.steering.strength import UNITS

    if unit is not None and unit not in UNITS:
        raise UnknownName.of("unit", unit, UNITS)


def _line(intervention: Any) -> str:
    strength = intervention.strength
    plain = f" (raw {strength.plain:.4g})" if strength.unit != "raw" and strength.plain is not None else ""
    return visible(
        f"{intervention.op} at {intervention.hookpoint}, strength {strength.value:g} {strength.unit}{plain}"
    )
