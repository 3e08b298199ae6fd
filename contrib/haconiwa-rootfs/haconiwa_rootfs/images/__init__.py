"""Container images on disk: read and verified, and written (OCI image specification)."""
