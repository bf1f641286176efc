"""Experts, one file each."""
