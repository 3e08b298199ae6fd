"""All that is tried, in its order: what exhausts something comes last."""

from haconiwa_verify.attempts import files, kernel, limits, mounts, network, privileges, processes

ATTEMPTS = (
    *network.ATTEMPTS,
    *processes.ATTEMPTS,
    *files.ATTEMPTS,
    *mounts.ATTEMPTS,
    *privileges.ATTEMPTS,
    *kernel.ATTEMPTS,
    *limits.ATTEMPTS,
)
