"""Starts llama.cpp's own server, as the package xllamacpp ships it: python -m tests.live.llama_server MODEL

Its key is in LLAMA_API_KEY. It prints its address and ends when its input does.
"""

import os
import sys

from xllamacpp import CommonParams, Server


def main(model):
    parameters = CommonParams()
    parameters.model.path = model
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    parameters.api_keys = [os.environ["LLAMA_API_KEY"]]
    parameters.offline = True
    parameters.ui = False
    server = Server(parameters)
    print(server.listening_address, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1])
