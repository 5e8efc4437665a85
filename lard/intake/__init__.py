"""Pictures and labels made elsewhere: one reader for each format."""
