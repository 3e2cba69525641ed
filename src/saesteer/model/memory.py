"""What is remembered of each row from one chunk to the next. It rides on the KV cache.

The cache alone goes through all that happens to rows between two calls (beam search reorders them, samples of
one prompt multiply them), so what is kept there stays with its row, and a new cache is a new text. Knows no
hook and no edit.
"""

from __future__ import annotations

from functools import cache as once
from typing import Any, Final

from torch import Tensor

from saesteer.errors import InputError

_NAME: Final = "_saesteer_rows"


class RowMemory:
    """One tensor [batch] by key: what the chunks before this one left, and what this one leaves.

    The two are apart, so that whoever asks twice in a chunk gets the same answer twice.
    """

    def __init__(self, cache: Any = None) -> None:
        """`cache`: as the call is given it, with what it carries."""
        self._before: dict[object, Tensor] = getattr(cache, _NAME, {})
        self._after: dict[object, Tensor] = {}

    def before(self, key: object, batch: int) -> Tensor | None:
        """What was left for the call's rows; None: nothing. InputError where they are not `batch`."""
        found = self._before.get(key)
        if found is not None and len(found) != batch:
            raise InputError(
                f"the cache has {batch} rows and had {len(found)} when steering last saw it; "
                "change its rows by its own methods (reorder_cache, batch_select_indices) alone"
            )
        return found

    def leave(self, key: object, rows: Tensor) -> None:
        """Keep `rows` for the next chunk; nobody may write into the tensor afterwards."""
        self._after[key] = rows

    def ride(self, cache: Any) -> None:
        """Put what is kept onto the cache that the call has lengthened."""
        if self._after:
            if not isinstance(cache, _Following):  # a method put on the object would tie it into a circle
                cache.__class__ = _following(type(cache))  # type: ignore[arg-type]
            setattr(cache, _NAME, _Carried(getattr(cache, _NAME, {}) | self._after))


class _Carried(dict[object, Tensor]):
    """Tensors by their keys; a copy of the cache has the keys themselves, not copies."""

    def __deepcopy__(self, memo: object) -> _Carried:
        return _Carried(self)


class _Following:
    """Goes before the class of a cache: what it carries is moved with its rows."""

    def reorder_cache(self, beam_idx: Tensor) -> None:
        super().reorder_cache(beam_idx)  # type: ignore[misc]
        self._take(beam_idx)

    def batch_select_indices(self, indices: Tensor) -> None:
        super().batch_select_indices(indices)  # type: ignore[misc]
        self._take(indices)

    def batch_repeat_interleave(self, repeats: int) -> None:
        super().batch_repeat_interleave(repeats)  # type: ignore[misc]
        setattr(self, _NAME, _Carried({k: v.repeat_interleave(repeats) for k, v in self._carried()}))

    def reset(self) -> None:
        super().reset()  # type: ignore[misc]
        setattr(self, _NAME, _Carried())

    def _take(self, rows: Tensor) -> None:
        setattr(self, _NAME, _Carried({k: v[rows.to(v.device)] for k, v in self._carried()}))

    def _carried(self) -> list[tuple[object, Tensor]]:
        return list(getattr(self, _NAME, {}).items())


@once
def _following(kind: type) -> type:
    """The class of caches that follow and are otherwise of this kind."""
    return type(kind.__name__, (_Following, kind), {})
