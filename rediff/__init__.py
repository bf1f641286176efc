"""ReDiff: masked-diffusion captioning that revises its own visible tokens while it decodes."""
