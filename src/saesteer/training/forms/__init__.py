"""The forms of training: one file per architecture, each with its settings, its loss and its gradients."""

from saesteer.training.forms.batchtopk import BatchTopK
from saesteer.training.forms.form import Form, Inference, Now, Step
from saesteer.training.forms.gated import Gated
from saesteer.training.forms.jumprelu import JumpReLU
from saesteer.training.forms.matryoshka import Matryoshka
from saesteer.training.forms.relu import ReLU
from saesteer.training.forms.tables import FORMS
from saesteer.training.forms.topk import TopK

__all__ = [
    "FORMS",
    "BatchTopK",
    "Form",
    "Gated",
    "Inference",
    "JumpReLU",
    "Matryoshka",
    "Now",
    "ReLU",
    "Step",
    "TopK",
]
