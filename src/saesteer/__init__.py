"""Find, explain, steer and measure sparse-autoencoder features of language models."""
