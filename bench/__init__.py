"""Measurements against a yardstick taken in the same run; ``python -m bench`` lists them."""
