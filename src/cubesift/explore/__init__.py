"""What was found, for a person to look at."""
