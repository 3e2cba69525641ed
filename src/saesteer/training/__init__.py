"""Train SAEs on streams of activations and measure them. Knows no text, no spec, no concept."""

from saesteer.training.evaluate import SAEQuality, evaluate_sae, fvu
from saesteer.training.loss_recovered import LossRecovered, loss_recovered
from saesteer.training.trainer import TrainConfig, TrainMetrics, TrainResult, train_sae

__all__ = [
    "LossRecovered",
    "SAEQuality",
    "TrainConfig",
    "TrainMetrics",
    "TrainResult",
    "evaluate_sae",
    "fvu",
    "loss_recovered",
    "train_sae",
]
