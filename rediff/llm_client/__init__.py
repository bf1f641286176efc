"""Clients of models on servers: conversations, requests, replies and their cost.

What imports `openai` (`client`, `batch`) is imported where a server is called: it takes a second,
which work without a server need not wait.
"""
