"""What is known of a prompt before anything is called: how hard it is, what kind of task, how many tokens. Pure."""
