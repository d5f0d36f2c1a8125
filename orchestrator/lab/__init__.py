"""Recorded outcomes of models, replayed: what a decision is worth, measured offline."""
