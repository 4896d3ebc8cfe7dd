"""One pool of addresses for several hosts: who has which block, and who is believed. Pure."""
