"""Runs a maintenance window as pytest, and gives back whatever it takes away."""
