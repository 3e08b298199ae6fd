"""How many instances a service has, and how much of the host each may use: rules, and what carries them out."""
