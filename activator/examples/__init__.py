"""Handlers for the shipped examples; each is a complete service."""
