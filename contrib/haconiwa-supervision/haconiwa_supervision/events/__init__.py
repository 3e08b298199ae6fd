"""What happens to containers: told to who listens, kept in files, given to observers."""
