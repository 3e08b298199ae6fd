"""The isolation matrix: what was asked for, and what the kernel says is in force. Imported where somebody asks only."""
