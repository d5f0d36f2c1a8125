"""One call: admission, reservation, sending, retries, settlement."""
