"""Sparse autoencoders: encode, decode, load, save. Knows tensors; no language model, no text, no training."""

from saesteer.saes.config import SAEConfig
from saesteer.saes.fits import Use, check_fits, check_one_space
from saesteer.saes.gated import GatedSAE
from saesteer.saes.jumprelu import JumpReLUSAE
from saesteer.saes.loaders import FORMATS
from saesteer.saes.loading import load_sae
from saesteer.saes.relu import ReLUSAE
from saesteer.saes.sae import SAE
from saesteer.saes.sources import Recognised, recognise
from saesteer.saes.sparse import SparseLatents
from saesteer.saes.tables import ARCHITECTURES, SAES
from saesteer.saes.topk import TopKSAE
from saesteer.saes.transcoder import TRANSCODERS

__all__ = [
    "ARCHITECTURES",
    "FORMATS",
    "SAE",
    "SAES",
    "TRANSCODERS",
    "GatedSAE",
    "JumpReLUSAE",
    "ReLUSAE",
    "Recognised",
    "SAEConfig",
    "SparseLatents",
    "TopKSAE",
    "Use",
    "check_fits",
    "check_one_space",
    "load_sae",
    "recognise",
]
