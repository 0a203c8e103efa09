#!/usr/bin/python3
"""One new connection after the other, until SIGTERM: GET each URL in turn. Prints, as JSON, how many
requests were made, what went wrong with those that failed, and how many got a 503. Run inside of the container."""
import json
import signal
import sys
import time
import urllib.error
import urllib.request

stopped = False


def stop(*_):
    global stopped
    stopped = True


def main(urls):
    signal.signal(signal.SIGTERM, stop)
    requests, failures, unavailable, slowest = 0, [], 0, 0.0
    while not stopped:
        for url in urls:
            requests += 1
            began = time.monotonic()
            try:
                with urllib.request.urlopen(url, timeout=30) as answer:
                    answer.read()
            except urllib.error.HTTPError as error:
                if error.code == 503:
                    unavailable += 1
                elif error.code != 426:  # what the live stream says to a GET that is no handshake
                    failures.append(f"{url}: {error!r}")
            except OSError as error:  # refused, reset, timed out
                failures.append(f"{url}: {error!r}")
            slowest = max(slowest, time.monotonic() - began)
    print(json.dumps({"requests": requests, "failures": failures, "unavailable": unavailable,
                      "slowest_s": round(slowest, 3)}))


main(sys.argv[1:])
