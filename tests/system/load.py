#!/usr/bin/python3
"""One new connection after the other, until SIGTERM: GET each URL in turn. Prints, as JSON, how many
requests were made and what went wrong with those that failed. Run inside of the container."""
import json
import signal
import sys
import urllib.request

stopped = False


def stop(*_):
    global stopped
    stopped = True


def main(urls):
    signal.signal(signal.SIGTERM, stop)
    requests, failures, slowest = 0, [], 0.0
    import time
    while not stopped:
        for url in urls:
            requests += 1
            began = time.monotonic()
            try:
                with urllib.request.urlopen(url, timeout=30) as answer:
                    answer.read()
            except Exception as error:  # each kind of failure is one
                failures.append(f"{url}: {error!r}")
            slowest = max(slowest, time.monotonic() - began)
    print(json.dumps({"requests": requests, "failures": failures, "slowest_s": round(slowest, 3)}))


main(sys.argv[1:])
