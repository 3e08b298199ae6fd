"""Terminals of containers: kept by a broker, and sat at by people."""
