"""The TopK SAE (Gao et al. 2024): the k largest pre-activations of a token, where positive.

With normalize_activations="layer_norm" it is the SAE of OpenAI and of SCAR (arXiv 2411.07122), whose variants
put another function than ReLU on the k largest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final, Literal, final

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from saesteer.saes.config import SAEConfig
from saesteer.saes.first_pass import FirstPass, Tally
from saesteer.saes.first_pass_probe import FALLEN, ROWS, pays
from saesteer.saes.sae import SAE, check_tensors
from saesteer.saes.sparse import SparseLatents
from saesteer.saes.topk_select import largest

_FEW: Final = 8  # latents, up to which counting is cheaper than choosing the k largest
_BLOCK: Final = 256  # latents of the first block, at least
_CHUNK: Final = 2**22  # pre-activations that are held at once
_POSTACTS: Final[Mapping[str, Callable[[Tensor], Tensor]]] = {
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "identity": lambda values: values,
}


@final
class TopKSAE(SAE):
    """z = f(h) for the k largest h of the token, else 0; f is ReLU unless `cfg.postact` says otherwise."""

    first_pass: Literal["probe", "always", "never"] = "probe"
    """Whether `encode_sparse` goes by a cheaper product first: where a probe says it pays, or as told."""
    _first: tuple[object, FirstPass] | None = None

    def __init__(self, cfg: SAEConfig, tensors: Mapping[str, Tensor]) -> None:
        """Where the config rescales by decoder norms they are folded in: W_dec[i] is what latent i adds."""
        if cfg.rescale_acts_by_decoder_norm:
            check_tensors(self.shapes_of(cfg), cfg, tensors)
            cfg, tensors = replace(cfg, rescale_acts_by_decoder_norm=False), fold_norms(tensors)
        super().__init__(cfg, tensors)

    def activate(self, h: Float[Tensor, "... d_sae"]) -> Float[Tensor, "... d_sae"]:
        indices, values = self.select(h)
        return h.new_zeros(h.shape).scatter(-1, indices, values)

    def select(self, h: Float[Tensor, "... d_sae"]) -> tuple[Int[Tensor, "... k"], Float[Tensor, "... k"]]:
        assert self.cfg.k is not None  # the config refuses a topk without
        values, indices = largest(h, self.cfg.k)
        return indices, self.magnitude(values)

    def encode_sparse(self, x: Float[Tensor, "... d_in"]) -> SparseLatents:
        if not self._goes_by_first_pass(x):
            return super().encode_sparse(x)

        def choose(part: Tensor) -> tuple[tuple[Tensor, Tensor]]:
            values, indices = self._prepared().largest(self.encoder_input(part), self.cfg.k or 0, self._plain)
            return ((indices, self.magnitude(values)),)

        (found,) = self._sparse(x, choose)
        return found

    @property
    def tally(self) -> Tally:
        """Tokens that went by the cheaper product first, and how many of them fell back to the full one."""
        return self._first[1].tally if self._first else Tally()

    def magnitude(self, h: Float[Tensor, ...]) -> Float[Tensor, ...]:
        return _POSTACTS[self.cfg.postact](h)

    def latent(
        self, x: Float[Tensor, "... d_in"], ids: Sequence[int] | Int[Tensor, " n"]
    ) -> Float[Tensor, "... n"]:
        columns = self._ids(ids)
        if len(columns) > _FEW or self.W_enc.device.type != "cpu":
            return self.encode_sparse(x).at(columns)
        seen = self.encoder_input(x).reshape(-1, self.cfg.d_in)
        h = seen @ self.W_enc[:, columns] + self.b_enc[columns]
        z = torch.where(self._among_largest(seen, h, columns), _POSTACTS[self.cfg.postact](h), 0)
        return z.reshape(*x.shape[:-1], len(columns))

    def _goes_by_first_pass(self, x: Tensor) -> bool:
        k, W = self.cfg.k or 0, self.W_enc
        able = W.device.type == "cpu" and W.dtype == torch.float32 and k < self.cfg.d_sae
        if self.first_pass == "never" or not able or self._needs_gradient(x):
            return False
        if self.first_pass == "always":
            return True
        flat = self._checked(x).reshape(-1, self.cfg.d_in)[: self._chunk]
        if len(flat) < ROWS or self.tally.share > FALLEN:
            return False
        return pays(self.encoder_input(flat), self._prepared, self.b_enc, k, self._plain)

    def _plain(self, seen: Float[Tensor, "n d_in"]) -> tuple[Float[Tensor, "n k"], Int[Tensor, "n k"]]:
        """Values and indices of the k largest by the full product."""
        return largest(F.linear(seen, self.W_enc.T, self.b_enc), self.cfg.k or 0)

    def _prepared(self) -> FirstPass:
        """Made anew where weights have changed or moved."""
        tensors = (self.W_enc, self.b_enc)
        state = [(each.data_ptr(), None if each.is_inference() else each._version) for each in tensors]
        if self._first is None or self._first[0] != state:
            self._first = (state, FirstPass(*tensors))
        return self._first[1]

    @torch.no_grad()
    def _among_largest(
        self, seen: Float[Tensor, "n d_in"], h: Float[Tensor, "n m"], columns: Int[Tensor, " m"]
    ) -> Bool[Tensor, "n m"]:
        """Whether fewer than k other pre-activations of the token are larger than h, that of `columns`.

        Counted block by block of the encoder: a token leaves as soon as k larger ones are known, and most
        tokens leave in the first block, since most latents are far from being active. Equal ones at the edge
        of the k largest all count as among them.
        """
        k, d_sae = self.cfg.k or 0, self.cfg.d_sae
        larger = torch.zeros_like(h, dtype=torch.long)
        if self.cfg.postact == "relu":
            larger[h <= 0] = k  # 0 or less is silent, whatever its rank
        open_, start, size = torch.arange(len(h)), 0, max(_BLOCK, d_sae // 16)
        while start < d_sae:
            open_ = open_[(larger[open_] < k).any(-1)]
            if not len(open_):
                break
            block = slice(start, start + size)
            for part in open_.split(max(1, _CHUNK // size)):
                others = seen[part] @ self.W_enc[:, block] + self.b_enc[block]
                for place, own in enumerate(columns.tolist()):
                    above = others > h[part, place, None]
                    if start <= own < start + size:  # its other sum may differ from h in the last bit
                        above[:, own - start] = False
                    larger[part, place] += above.sum(-1)
            start, size = start + size, 2 * size
        return larger < k


def fold_norms(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same SAE with unit decoder rows: z is unchanged, since the selected h was h times the norm."""
    wide = {name: each if each.dtype == torch.float64 else each.float() for name, each in tensors.items()}
    norm = wide["W_dec"].norm(dim=-1).clamp(min=1e-8)
    return {
        **tensors,
        "W_enc": wide["W_enc"] * norm,
        "b_enc": wide["b_enc"] * norm,
        "W_dec": wide["W_dec"] / norm[:, None],
    }
