"""Train SAEs on streams of activations and measure them. Knows no spec and no concept but its labels."""

from saesteer.training.condition import Condition
from saesteer.training.config import TrainConfig
from saesteer.training.evaluate import SAEQuality, evaluate_sae, fvu
from saesteer.training.forms import FORMS, BatchTopK, Form, Gated, JumpReLU, Matryoshka, ReLU, TopK
from saesteer.training.loss_recovered import LossRecovered, loss_recovered
from saesteer.training.metrics import TrainMetrics
from saesteer.training.trainer import Trainer, TrainResult, train_sae

__all__ = [
    "FORMS",
    "BatchTopK",
    "Condition",
    "Form",
    "Gated",
    "JumpReLU",
    "LossRecovered",
    "Matryoshka",
    "ReLU",
    "SAEQuality",
    "TopK",
    "TrainConfig",
    "TrainMetrics",
    "TrainResult",
    "Trainer",
    "evaluate_sae",
    "fvu",
    "loss_recovered",
    "train_sae",
]
