"""Detection: from match videos to a detector of players and of a ball that is a few pixels wide."""
