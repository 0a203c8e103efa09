"""The whole of it: a price that the simulator sets is seen on the page in a real Chromium."""

import json
import os
import subprocess
from pathlib import Path

from stack import SOURCE
from stack_clients import wait_until

NODE_MODULES = SOURCE / "web/node_modules"


def look(site, tmp_path, *arguments):
    """Starts the browser on the page."""
    environment = {**os.environ, "DASHBOARD_URL": f"http://localhost:{site.frontend_port}/",
                   "SCREENSHOT": str(tmp_path / "coin.png"), "ROWS": "20", "TIMEOUT_MS": "60000"}
    return subprocess.Popen(["node", "e2e/live.mjs", *arguments], cwd=SOURCE / "web", text=True,
                            env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_page_shows_the_price_that_the_simulator_sets(site, daemon, sim, built_dashboard, tmp_path):
    assert NODE_MODULES.exists(), "the browser's driver is not installed: run `npm ci` in web/"
    market = sim("--coins", 20, "--renew-ms", 1000)
    market.set_prices(bitcoin={"usd": 41007})
    daemon("websocket").wait_ready()
    daemon("fetcher", TRACKED_COIN_IDS="top:20", FETCH_INTERVAL_MS=300).wait_ready()
    daemon("api", WEB_ROOT=built_dashboard).wait_ready()
    wait_until(lambda: site.db.value("select count(*) from latest_prices") == 20,
               what="a price of every coin")

    browser = look(site, tmp_path, "bitcoin", "$43,210.00")
    try:
        assert browser.stderr.readline() == "sees $41,007.00\n"
        market.set_prices(bitcoin={"usd": 43210})
        output, _ = browser.communicate(timeout=180)
    finally:
        browser.kill()
    assert browser.returncode == 0, output
    seen = json.loads(output)
    assert seen["rows"] == 20
    assert seen["priceAfter"] == "$43,210.00"
    assert Path(tmp_path / "coin.png").stat().st_size > 0
