"""Training: a recipe, an order of samples, and a loop that can be stopped at any moment and goes on where it was."""
