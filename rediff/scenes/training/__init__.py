"""What the embedded scenes plug into training: data, false facts, experts, and a vision stage."""
