"""Walks pages in a browser: each at two widths, in light and in dark; fails where one says an error, runs a script of
somebody else, or is wider than the window. The addresses are lines of standard input, the first one a link to enter
by; the pictures go into a folder."""

import pathlib
import sys
import time

from selenium import webdriver
from selenium.common.exceptions import UnexpectedAlertPresentException
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

FORMS = [(390, "light"), (390, "dark"), (1600, "light"), (1600, "dark")]
STATE = (
    "return [performance.getEntriesByType('navigation')[0].responseStatus,"
    " document.documentElement.scrollWidth, innerWidth, document.title]"
)


def begin(driver_file):
    options = Options()
    for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options=options, service=Service(driver_file))


def look(driver, address, width, scheme, picture):
    """The faults of a page."""
    size = {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    media = [{"name": "prefers-color-scheme", "value": scheme}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": media})
    try:
        driver.get(address)
        state = driver.execute_script(STATE)
        if state[1] > state[2]:
            # It may be laid out still.
            time.sleep(0.5)
            state = driver.execute_script(STATE)
    except UnexpectedAlertPresentException as alert:
        return [f"a script of somebody else ran: {alert.alert_text}"]
    wrong = [entry["message"] for entry in driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]
    status, is_wide, has, title = state
    if address.startswith("http") and status != 200:
        wrong.append(f"status {status}")
    if is_wide > has:
        wrong.append(f"{is_wide} px wide in a window of {has}")
    if not title:
        wrong.append("it has no title")
    if picture:
        driver.save_screenshot(str(picture))
    return wrong


def main(driver_file, folder):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    addresses = [line.strip() for line in sys.stdin if line.strip()]
    driver = begin(driver_file)
    driver.set_page_load_timeout(60)
    count, faults = 0, []
    try:
        driver.get(addresses[0])
        for at, address in enumerate(addresses[1:]):
            for width, scheme in FORMS:
                wrong = look(driver, address, width, scheme, folder / f"{at:02}-{width}-{scheme}.png")
                count += 1
                faults += [f"{address} at {width} px, {scheme}: {fault}" for fault in wrong]
    finally:
        driver.quit()
    print(f"{count} looks at {len(addresses) - 1} pages; pictures in {folder}")
    for fault in faults[:40]:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
