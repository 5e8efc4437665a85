"""What a detector looks at, what it does not know and where it left its domain: each with a number."""
