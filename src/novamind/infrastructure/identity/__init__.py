"""Who calls, how that is proved, and what they may do."""
