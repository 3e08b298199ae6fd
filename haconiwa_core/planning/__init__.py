"""Turn a definition and the facts of a host into a plan. Pure: nothing is changed, no root is needed."""
