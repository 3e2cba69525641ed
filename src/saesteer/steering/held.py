"""The SAEs of a spec, loaded and checked against a model: widths, hookpoints, numbers of latents.

Knows models, SAEs and specs; no tensors of a spec.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from saesteer.errors import SaesteerError
from saesteer.model import LanguageModel
from saesteer.saes import SAE, Use, check_fits, load_sae
from saesteer.steering.fields import bad
from saesteer.steering.heads import check_head
from saesteer.steering.intervention import Intervention
from saesteer.steering.references import SAERef
from saesteer.steering.shapes import TENSOR_FIELDS
from saesteer.steering.spec import SteeringSpec


@dataclass(frozen=True)
class _Use:
    """One SAE in one field of an intervention."""

    field: str
    use: Use
    sae: str
    hookpoint: str
    latents: tuple[tuple[int, float], ...]
    head: int | None = None


def load_saes(
    lm: LanguageModel, spec: SteeringSpec, given: Mapping[str, SAE], loaded: dict[str, SAE], force: bool
) -> dict[str, SAE]:
    """The SAEs that interventions use: those given by name, the others from their source.

    `loaded`: by source, looked up and added to. `force`: also where a hash or a hookpoint is another.
    """
    uses = [(number, use) for number, each in enumerate(spec.interventions) for use in _uses(spec, each)]
    found = {}
    for name in sorted({use.sae for _, use in uses}):
        device = str(lm.device)
        sae = given[name] if name in given else _loaded(device, name, spec.saes[name].source, loaded)
        _check_sae(lm, name, spec.saes[name], sae, force)
        found[name] = sae
    for number, use in uses:
        _check_use(lm, use, found[use.sae], f"interventions[{number}].{use.field}", force)
    return found


def sae_hashes(spec: SteeringSpec, known: dict[str, str]) -> dict[str, str | None]:
    """The fingerprints of the SAEs that interventions use, by name, without a model; None for other SAEs.

    `known`: by source, looked up and added to.
    """
    used = {use.sae for each in spec.interventions for use in _uses(spec, each)}
    for name in sorted(used):
        source = spec.saes[name].source
        if source not in known:
            sae = _loaded("cpu", name, source, {})
            known[str(source)] = sae.fingerprint()
    return {name: known[str(each.source)] if name in used else None for name, each in spec.saes.items()}


def _uses(spec: SteeringSpec, each: Intervention) -> Iterator[_Use]:
    if each.sae is not None:
        yield _Use("sae", "edit", each.sae, each.hookpoint, each.latents or ())
    named = {key: (getattr(each, key), each.hookpoint, each.head) for key in TENSOR_FIELDS}
    for key, watched in each.watched.items():
        if watched.sae is not None:
            yield _Use(f"{key}.sae", "read", watched.sae, watched.hookpoint, watched.read())
        named[f"{key}.tensor"] = (watched.tensor, watched.hookpoint, None)
    for field, (name, at, head) in named.items():
        tensor = None if name is None else spec.tensors[name]
        if tensor is not None and tensor.sae is not None:
            yield _Use(field, "write", tensor.sae, at, tensor.latents or (), head)


def _loaded(device: str, name: str, source: str | None, loaded: dict[str, SAE]) -> SAE:
    if source is None:
        raise bad(f"saes.{name}.source", f"is missing; hand the SAE over as saes={{{name!r}: sae}}")
    if source not in loaded:
        with at_field(f"saes.{name}.source"):
            loaded[source] = load_sae(source, device=device, download=False)  # a file named it
    return loaded[source]


def _check_sae(lm: LanguageModel, name: str, reference: SAERef, sae: SAE, force: bool) -> None:
    if sae.W_enc.device != lm.device:
        problem = f"is on {sae.W_enc.device} but the model on {lm.device}; move it with sae.to()"
        raise bad(f"saes.{name}", problem)
    found = sae.fingerprint() if reference.sha256 and not force else reference.sha256
    if reference.sha256 != found:
        raise bad(
            f"saes.{name}.sha256",
            f"must be {str(found)[:12]} for this SAE, got {str(reference.sha256)[:12]}; "
            "load the SAE that the spec means, or use force",
        )


def _check_use(lm: LanguageModel, use: _Use, sae: SAE, path: str, force: bool) -> None:
    with at_field(path):
        at = lm.hookpoint(use.hookpoint)
        width = lm.width(at) if use.head is None else check_head(lm, at, use.head) or lm.width(at)
        if force:
            check_fits(sae, width, lm.name, at, use=use.use)
        else:
            check_fits(sae, width, lm.name, at, lm.fingerprint(), lm.hookpoint, use.use)
    for latent, _ in use.latents:
        if latent >= sae.cfg.d_sae:
            raise bad(path, f"latent {latent} is beyond the {sae.cfg.d_sae} latents of {use.sae!r}")


@contextmanager
def at_field(path: str) -> Iterator[None]:
    """Put the field before an error of another room; the kind of error stays."""
    try:
        yield
    except SaesteerError as error:
        raise type(error)(f"{path}: {error}") from error
