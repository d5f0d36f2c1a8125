"""What `orch tune` learns from rated answers."""
