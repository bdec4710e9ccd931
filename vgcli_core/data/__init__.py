"""Raw datasets in, frames and JSON lines out: samples that training, evaluation and people read."""
