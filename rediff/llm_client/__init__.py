"""Clients of models on servers: conversations, requests, replies and their cost."""
