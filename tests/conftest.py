"""The suite runs offline, without a display and without deadlines: a busy machine is no failure."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["MPLBACKEND"] = "Agg"

from hypothesis import settings

settings.register_profile("saesteer", deadline=None)
settings.load_profile("saesteer")
