"""Videos and pictures in, frames with their times out."""
