"""Fitting and measuring the complexity score (`scripts/fit_complexity.py`). Needs numpy and scikit-learn."""
