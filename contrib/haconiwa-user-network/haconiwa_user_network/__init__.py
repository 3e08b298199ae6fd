"""A network for containers of ordinary users, through pasta or slirp4netns."""
