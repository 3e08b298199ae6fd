"""The controllers that this distribution brings."""
