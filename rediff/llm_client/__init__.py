"""Clients of models behind servers: conversations, requests, replies and what they cost."""
