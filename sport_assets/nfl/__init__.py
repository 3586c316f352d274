"""The NFL line: from raw weeks of player tracking to an exported model of player movement."""
