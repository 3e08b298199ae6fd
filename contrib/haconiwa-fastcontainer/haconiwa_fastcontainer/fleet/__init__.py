"""The instances of all services: who starts them, who may use them, and when they end."""
