from system.fixtures import forget_handles, leaves_nothing, private_world, root

__all__ = ["forget_handles", "leaves_nothing", "private_world", "root"]
