"""Conversations with models behind servers that speak OpenAI's chat protocol."""
