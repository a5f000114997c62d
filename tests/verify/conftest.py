import sys
from pathlib import Path

VERIFY = str(Path(__file__).resolve().parents[2] / "verify")
if VERIFY not in sys.path:
    sys.path.insert(0, VERIFY)
