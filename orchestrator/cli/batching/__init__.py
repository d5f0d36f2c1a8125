"""What `orch batch` is made of."""
