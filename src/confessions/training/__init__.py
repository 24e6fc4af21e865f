"""What is learned: GRPO with a second channel for confessions, and the runs that train with it."""
