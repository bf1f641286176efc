"""Training: corruption, losses, objectives, stages and the recipes that order them."""
