"""From a prompt to a priced plan."""
