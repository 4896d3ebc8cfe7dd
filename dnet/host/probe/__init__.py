"""Sending real packets from where clients are, and watching what becomes of them."""
