#!/usr/bin/python3
"""WebSocket clients, run inside of the container.
  stream.py --first     ends with the first price
  stream.py NUMBER      says "open" when so many clients are connected and have got a price each;
                        prints, as JSON, how often which close code came, when all have ended"""
import asyncio
import collections
import json
import sys

import websockets

URL = "ws://127.0.0.1:8080/"


def connect():
    return websockets.connect(URL, ping_interval=None, compression=None, open_timeout=60,
                              max_queue=None)


async def first():
    async with connect() as client:
        print(await client.recv())


async def client(all_open, codes):
    async with connect() as ws:
        await ws.recv()
        all_open.release()
        try:
            while True:
                await ws.recv()
        except websockets.ConnectionClosed:
            codes[str(ws.close_code)] += 1


async def many(number):
    all_open, codes = asyncio.Semaphore(0), collections.Counter()
    tasks = [asyncio.create_task(client(all_open, codes)) for _ in range(number)]
    for _ in range(number):
        await all_open.acquire()
    print("open", flush=True)
    await asyncio.gather(*tasks)
    print(json.dumps(codes), flush=True)


asyncio.run(first() if sys.argv[1] == "--first" else many(int(sys.argv[1])))
