"""Clients of models on servers: conversations, requests, replies and their cost.

The modules that import `openai` (`client`, `batch`) are imported where a server is called: it takes
a second, which work without a server need not wait.
"""
