from system.fixtures import leaves_nothing, private_world, root

__all__ = ["leaves_nothing", "private_world", "root"]
