"""The embedded scenes' plug-ins for training: data, false facts, experts, and a vision stage."""
