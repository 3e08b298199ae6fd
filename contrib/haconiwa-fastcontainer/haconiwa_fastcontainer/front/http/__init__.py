"""The embedded front for HTTP/1.1 (RFC 9110, RFC 9112): heads are read strictly, and bodies handed on as they come.

Each side has its own framing, which h11 makes: no byte is copied from one framing into the other, so that nobody behind
the front can read a request otherwise than the front has.
"""
