"""How much the twin's proxying gateway adds to a request: asked through it and directly, turn by turn, in one run."""

import argparse
import json
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx


def main() -> None:
    """Start a twin, ask a page `--rounds` times each way, and print the medians (ms) and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=300)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        handover = Path(folder) / "twin.json"
        twin = subprocess.Popen(
            [sys.executable, "-m", "maint.rehearsal", "--handover", str(handover)], stdout=subprocess.DEVNULL
        )
        try:
            while not handover.exists():
                time.sleep(0.05)
            told = json.loads(handover.read_text())
            ways = {"through the gateway": told["www"], "directly": told["servers"]["IC-Web1"]}
            print_medians(measure(ways, told["ca"], rounds))
        finally:
            twin.terminate()
            twin.wait()


def measure(ways: dict[str, str], ca: str, rounds: int) -> dict[str, list[float]]:
    """Return the seconds of each request, by way, the ways taking turns so that both meet the same machine."""
    context = ssl.create_default_context(cafile=ca)
    took: dict[str, list[float]] = {way: [] for way in ways}
    with httpx.Client(verify=context, trust_env=False, headers={"Host": "www.invoicecloud.com"}) as client:
        for _ in range(rounds):
            for way, address in ways.items():
                since = time.perf_counter()
                client.get(f"https://{address}/", extensions={"sni_hostname": "www.invoicecloud.com"})
                took[way].append(time.perf_counter() - since)
    return took


def print_medians(took: dict[str, list[float]]) -> None:
    """Print each way's median and their ratio."""
    medians = {way: statistics.median(times) * 1000 for way, times in took.items()}
    for way, median in medians.items():
        print(f"{way:20} {median:6.2f} ms")
    through, direct = medians.values()
    print(f"ratio                {through / direct:6.2f}")


if __name__ == "__main__":
    main()
