"""In place of the token ids of a cache that was handed none: counted like them, refused when read.

Knows how to hand them in; no files.
"""

from __future__ import annotations

from typing import Any, NoReturn, cast

import numpy as np

from saesteer.errors import InputError


class NoTokens:
    """So many tokens of which nobody knows the ids."""

    dtype = np.dtype(np.int64)
    ndim = 1

    def __init__(self, count: int) -> None:
        self.shape = (count,)

    @classmethod
    def of(cls, count: int) -> np.ndarray:
        """As the ids of a TokenTable."""
        return cast(np.ndarray, cls(count))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> NoReturn:
        raise missing()

    def __iter__(self) -> NoReturn:
        raise missing()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NoReturn:
        raise missing()

    def __eq__(self, other: object) -> NoReturn:
        raise missing()

    __hash__ = None  # type: ignore[assignment]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # as hasattr asks of every object
            raise AttributeError(name)
        raise missing()

    def __repr__(self) -> str:
        return f"NoTokens({len(self)})"


def missing() -> InputError:
    """What is said wherever a text would be needed."""
    return InputError(
        "this cache has entries and their places but no token ids, so nothing can be shown in its text; "
        "import it again with them: read_reference(folder, tokens=...) or "
        "saesteer cache --import FOLDER --ids FILE"
    )
