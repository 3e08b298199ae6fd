"""`python -m haconiwa_core`."""

import sys

from haconiwa_core.cli.main import main

sys.exit(main())
