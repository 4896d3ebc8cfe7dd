"""What stands alone: addresses, endpoints, names, as text. Touches nothing."""
