"""The table of this room: the forms of training by the name that a config gives them."""

from __future__ import annotations

from saesteer.names import Registry
from saesteer.training.forms.batchtopk import BatchTopK
from saesteer.training.forms.form import Form
from saesteer.training.forms.gated import Gated
from saesteer.training.forms.jumprelu import JumpReLU
from saesteer.training.forms.matryoshka import Matryoshka
from saesteer.training.forms.relu import ReLU
from saesteer.training.forms.topk import TopK

FORMS: Registry[type[Form]] = Registry(
    "training form",
    {
        "standard": ReLU,
        "gated": Gated,
        "topk": TopK,
        "batchtopk": BatchTopK,  # saved as jumprelu
        "matryoshka": Matryoshka,  # saved as jumprelu
        "jumprelu": JumpReLU,
    },
    group="saesteer.training_forms",
)
