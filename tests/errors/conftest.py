from errors.support import small
from system.fixtures import private_world, root

__all__ = ["private_world", "root", "small"]
