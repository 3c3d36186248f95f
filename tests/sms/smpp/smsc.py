"""A carrier on the server of the smpp34 package: takes everything at once, and sends a receipt for each message.

Run as a program it prints its port; with `--receipts` it tells "delivered" of each message right after its answer.
Ctrl-D on its standard input ends it; then it prints one JSON object, the messages it took as (number, octets in hex).
"""

import asyncio
import json
import sys

import smpp34


async def main(port: int, *, receipts: bool, keep: bool) -> None:
    server = smpp34.Server("127.0.0.1", port, system_id="smsc", inbound_capacity=4096)
    await server.start()
    print(json.dumps({"port": port}), flush=True)
    ended = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    everyone: dict[str, smpp34.Esme] = {}
    taken: list[tuple[str, str]] = []
    under_way: set[asyncio.Task[object]] = set()
    count = 0
    coming = asyncio.ensure_future(server.next())
    while True:
        await asyncio.wait({coming, ended}, return_when=asyncio.FIRST_COMPLETED)
        if ended.done():
            break
        event = coming.result()
        coming = asyncio.ensure_future(server.next())
        if isinstance(event, smpp34.Esme):
            everyone[event.session_id] = event
        elif isinstance(event, smpp34.Unbound):
            everyone.pop(event.session_id, None)
        else:
            count += 1
            if keep:
                taken.append((event.destination_addr, event.short_message.hex()))
            event.accept(f"{count}")
            if receipts and event.session_id in everyone:
                told = everyone[event.session_id].deliver_sm(
                    source_addr=event.destination_addr, destination_addr=event.source_addr, esm_class=4,
                    short_message=f"id:{count} sub:001 dlvrd:001 submit date:2611180901 done date:2611180902"
                    " stat:DELIVRD err:000 text:".encode(),
                )  # fmt: skip
                task = asyncio.ensure_future(told)
                under_way.add(task)
                task.add_done_callback(under_way.discard)
    coming.cancel()
    await server.stop()
    print(json.dumps({"taken": taken, "count": count}), flush=True)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), receipts="--receipts" in sys.argv, keep="--keep" in sys.argv))
