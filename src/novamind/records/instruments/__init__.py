"""Instruments of items: what they ask, how an answer scores, and the published rule of the total."""
