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
        try:
            folder = pipe.recv()
        except EOFError:
            if device.startswith("tidy "):
                time.sleep(0.3)  # as an interpreter takes, that gives back what it holds
                os.close(os.open(device.removeprefix("tidy "), os.O_CREAT))
            return
        if device == "dies" or (device == "dies once" and folder == "a"):
            os._exit(9)
        time.sleep(order)
        pipe.send(("done", {"digest": folder, "device": device}))
