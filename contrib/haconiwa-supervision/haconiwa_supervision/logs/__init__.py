"""What containers write: read by a process that outlives the supervisor."""
