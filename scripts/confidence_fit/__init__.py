"""The parts of scripts/fit_confidence.py."""
