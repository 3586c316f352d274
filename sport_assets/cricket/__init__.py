"""The cricket line: from raw Cricsheet match files to an exported model of what the next ball brings."""
