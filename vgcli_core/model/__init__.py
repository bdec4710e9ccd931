"""The model: two encoders, one fusion, one language model. The first layer that imports torch."""
