"""Where roots are kept: layers by the digest of their content, and which layers a root has."""
