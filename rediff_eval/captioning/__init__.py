"""From samples to captions: models, samplers and budgets, and the keys of their captions."""
