"""Networks: checkpoints, the official naming, tiles, the chat format and conditioning."""
