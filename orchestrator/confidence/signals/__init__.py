"""What an answer shows of its quality: one file a signal."""
