"""The networks of official CAPTURE, which need transformers; imported where they are used."""
