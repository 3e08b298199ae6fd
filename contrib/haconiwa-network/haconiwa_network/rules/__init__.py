"""Rules of a container's traffic: one table for all, whose rules never change; a container adds elements (nft(8))."""
