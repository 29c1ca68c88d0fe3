"""The worker's heart: observe, desire, plan, act, record.

Level-triggered: it looks at both sides and acts on the difference.
"""
