"""What a worker process does, without any model: its device says how it behaves. Imports nothing heavy."""

import os
import time


def serve(pipe, order, device):
    """`order`: seconds that a cell takes."""
    if "slow" in device:
        time.sleep(1.0)
    if "bad" in device:
        pipe.send(("refused", "no such device"))
        return
    if "killed" in device:
        os._exit(7)
    pipe.send(("begun", None))
    while True:
        folder = pipe.recv()
        if device == "dies" or (device == "dies once" and folder == "a"):
            os._exit(9)
        time.sleep(order)
        pipe.send(("done", {"digest": folder, "device": device}))
