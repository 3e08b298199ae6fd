"""One container in the hands of the supervisor."""
