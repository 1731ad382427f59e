"""Durable channels, and the protocol of the stores that keep them."""
