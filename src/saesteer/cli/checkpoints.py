"""What an SAE's files are, for `show` and `convert`: format, kind, sizes, where it belongs. Reads nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from saesteer.cli.words import one_line

if TYPE_CHECKING:
    from saesteer.saes import SAE, Recognised


def described(which: Recognised, sae: SAE) -> dict[str, Any]:
    """For machines."""
    cfg = sae.cfg
    return {
        "source": which.name,
        "format": which.format,
        "path": str(which.path),
        "hub": which.hub or None,
        **cfg.about,
        "postact": cfg.postact,
        "apply_b_dec_to_input": cfg.apply_b_dec_to_input,
        "parameters": sum(each.numel() for each in sae.parameters()),
        "fingerprint": sae.fingerprint(),
        "metadata": dict(cfg.metadata),
    }


def lines(which: Recognised, sae: SAE) -> list[str]:
    """For people."""
    found = described(which, sae)
    rows = {
        "format": f"{which.format} ({which.about})",
        "kind": _kind(sae),
        "trained at": _home(sae),
        "activations": _activations(sae),
        "numbers": f"{found['parameters']:,} in {sae.cfg.dtype}",
        "fingerprint": found["fingerprint"][:16],
    }
    notes = {key: each for key, each in sae.cfg.metadata.items() if isinstance(each, str | int | float)}
    if notes:
        rows["notes"] = ", ".join(f"{key} {each}" for key, each in sorted(notes.items()))
    return [one_line(which.name), *(f"  {name:<12} {one_line(str(each))}" for name, each in rows.items())]


def _kind(sae: SAE) -> str:
    cfg = sae.cfg
    out = "" if cfg.d_out is None else f", writes {cfg.d_out:,}"
    kind = cfg.architecture if cfg.postact == "relu" else f"{cfg.architecture} ({cfg.postact})"
    k = "" if cfg.k is None else f", {cfg.k} at a time"
    return f"{kind}, {cfg.d_sae:,} latents of width {cfg.d_in:,}{out}{k}"


def _home(sae: SAE) -> str:
    cfg = sae.cfg
    home = cfg.hook_name or "an unknown hookpoint"
    if cfg.transcodes:
        home = f"{home} -> {cfg.hook_name_out or 'an unknown hookpoint'}"
    return f"{home} of {cfg.model_name or 'an unknown model'}"


def _activations(sae: SAE) -> str:
    norm = {"layer_norm": "standardised token by token", "constant_norm_rescale": "brought to one length"}
    said = norm.get(sae.cfg.normalize_activations, "as they are")
    return f"{said}, less b_dec" if sae.cfg.apply_b_dec_to_input else said
