"""The verbs that this distribution brings."""
