"""Captioners: the models, their checkpoints and the tokenizer of the embedded ones."""
