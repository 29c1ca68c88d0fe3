"""Wharfinger: self-service exposure for Kubernetes. The rooms and arrows stand in docs/house.md."""
