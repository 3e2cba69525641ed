"""Train SAEs on streams of activations and measure them. Knows no spec and no concept but its labels."""

from saesteer.training.condition import Condition
from saesteer.training.config import TrainConfig
from saesteer.training.evaluate import SAEQuality, evaluate_sae, fvu
from saesteer.training.forms import FORMS, BatchTopK, Form, Gated, JumpReLU, Matryoshka, ReLU, TopK
from saesteer.training.group import Member, train_saes
from saesteer.training.loss_recovered import LossRecovered, loss_recovered
from saesteer.training.metrics import TrainMetrics
from saesteer.training.plan import TrainPlan
from saesteer.training.run import run_plan
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
    "Member",
    "ReLU",
    "SAEQuality",
    "TopK",
    "TrainConfig",
    "TrainMetrics",
    "TrainPlan",
    "TrainResult",
    "Trainer",
    "evaluate_sae",
    "fvu",
    "loss_recovered",
    "run_plan",
    "train_sae",
    "train_saes",
]
